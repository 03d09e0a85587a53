import subprocess

import numpy as np
import pytest
import soundfile

from sfpipe.audio.decoding import find_ffmpeg
from sfpipe.audio.files import load_audio, to_int16, write_flac
from sfpipe.errors import SfpipeError

RATE = 22_050


def tone(rate: int, seconds: float = 1.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)


def test_flac_round_trip_keeps_every_bit(tmp_path):
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    write_flac(tmp_path / "a.flac", samples)
    np.testing.assert_array_equal(load_audio(tmp_path / "a.flac", exact=True), samples)
    assert [f.name for f in tmp_path.iterdir()] == ["a.flac"]


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
def test_other_rates_are_resampled(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", tone(rate), rate)
    samples = load_audio(tmp_path / "a.wav")
    assert samples.dtype == np.int16
    assert len(samples) == RATE
    middle = slice(2000, 20_000)
    np.testing.assert_allclose(samples[middle] / 32768, tone(RATE)[middle], atol=2e-3)


def test_channels_are_mixed_down(tmp_path):
    left = tone(RATE)
    soundfile.write(tmp_path / "a.wav", np.stack([left, np.zeros_like(left)], axis=1), RATE)
    np.testing.assert_allclose(load_audio(tmp_path / "a.wav"), left * 16384, atol=2)


def test_loud_samples_are_clipped_not_wrapped():
    assert to_int16(np.array([40_000.0, -40_000.0, 1.5])).tolist() == [32767, -32768, 2]


def test_missing(tmp_path):
    with pytest.raises(SfpipeError, match="no such file") as error:
        load_audio(tmp_path / "a.wav")
    assert error.value.file == str(tmp_path / "a.wav")


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not audio at all" * 100])
def test_not_audio(tmp_path, content):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(SfpipeError, match="cannot be read as audio"):
        load_audio(tmp_path / "a.wav")


def test_empty_recording(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), RATE)
    with pytest.raises(SfpipeError, match="empty"):
        load_audio(tmp_path / "a.wav")


def test_nan(tmp_path):
    samples = tone(RATE)
    samples[100] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(SfpipeError, match="NaN"):
        load_audio(tmp_path / "a.wav")


def test_exact_refuses_what_it_would_have_to_convert(tmp_path):
    soundfile.write(tmp_path / "a.flac", tone(44_100), 44_100)
    with pytest.raises(SfpipeError, match="found 1 channels at 44100 Hz"):
        load_audio(tmp_path / "a.flac", exact=True)


def test_cut_off_flac(tmp_path):
    write_flac(tmp_path / "a.flac", to_int16(tone(RATE, 5) * 32767))
    content = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(content[: len(content) // 2])
    with pytest.raises(SfpipeError):
        load_audio(tmp_path / "a.flac", exact=True)


def test_channels_of_opposite_sign_are_told_and_the_louder_one_is_used(tmp_path):
    left, told = tone(RATE), []
    soundfile.write(tmp_path / "a.wav", np.stack([-0.98 * left, left], axis=1), RATE)
    samples = load_audio(tmp_path / "a.wav", tell=told.append)
    np.testing.assert_allclose(samples, left * 32768, atol=2)
    assert len(told) == 1 and "cancel" in told[0] and "a.wav" in told[0]
    soundfile.write(tmp_path / "b.wav", np.stack([left, np.zeros_like(left)], axis=1), RATE)
    load_audio(tmp_path / "b.wav", tell=told.append)
    assert len(told) == 1


@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_that_promises_more_than_there_is_is_told(tmp_path, channels):
    told = []
    soundfile.write(tmp_path / "a.wav", np.stack([tone(RATE, 3)] * channels, axis=1), RATE)
    whole = (tmp_path / "a.wav").read_bytes()
    load_audio(tmp_path / "a.wav", tell=told.append)
    assert told == []
    (tmp_path / "a.wav").write_bytes(whole[: 44 + 2 * channels * 287])
    assert len(load_audio(tmp_path / "a.wav", tell=told.append)) == 287
    assert len(told) == 1 and "0.01 s of the 3.00 s" in told[0]
    # A recorder that did not know the length has not promised anything.
    streamed = bytearray(whole)
    streamed[40:44] = b"\xff" * 4
    (tmp_path / "a.wav").write_bytes(streamed)
    load_audio(tmp_path / "a.wav", tell=told.append)
    assert len(told) == 1


def encode(path, *options) -> None:
    wav = path.with_name("source.wav")
    soundfile.write(wav, tone(44_100, 3), 44_100)
    subprocess.run([find_ffmpeg(), "-v", "error", "-y", "-i", wav, *options, path], check=True)


CODECS = {".m4a": "aac", ".aac": "aac", ".mp4": "aac", ".webm": "libopus", ".opus": "libopus"}
CODECS |= {".oga": "libvorbis", ".OGG": "libvorbis", ".aif": "pcm_s16be", ".mp3": "libmp3lame"}


@pytest.mark.parametrize(("suffix", "codec"), CODECS.items())
def test_what_phones_and_browsers_record(tmp_path, suffix, codec):
    path = tmp_path / f"a{suffix}"
    encode(path, "-c:a", codec)
    samples = load_audio(path) / 32768
    assert abs(len(samples) / RATE - 3) < 0.1
    assert np.abs(samples[RATE : 2 * RATE]).max() == pytest.approx(0.5, abs=0.05)


def test_streams_are_read_to_their_end(tmp_path):
    vbr, joined, flac = (tmp_path / name for name in ("vbr.mp3", "joined.ogg", "unknown.flac"))
    encode(vbr, "-c:a", "libmp3lame", "-q:a", "7", "-write_xing", "0")
    encode(joined, "-c:a", "libvorbis")
    joined.write_bytes(joined.read_bytes() * 2)
    encode(flac, "-c:a", "flac")
    content = bytearray(flac.read_bytes())
    content[21] &= 0xF0  # STREAMINFO's number of samples: 36 bits, 0 is unknown
    content[22:26] = bytes(4)
    flac.write_bytes(content)
    for path, seconds in ((vbr, 3), (joined, 6), (flac, 3)):
        assert abs(len(load_audio(path)) / RATE - seconds) < 0.1, path


@pytest.mark.parametrize("suffix", [".mp3", ".m4a"])
def test_what_ffmpeg_cannot_read_is_one_line(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"not audio at all" * 100)
    with pytest.raises(SfpipeError, match="cannot be read as audio") as error:
        load_audio(path)
    assert "\n" not in str(error.value)
