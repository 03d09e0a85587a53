import subprocess

import numpy as np
import pytest
import soundfile

from sfpipe.audio.decoding import find_ffmpeg
from sfpipe.audio.files import load_audio, resample, to_int16, write_flac
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


def clicks(rate: int, seconds: float = 3.0) -> np.ndarray:
    """Short bursts of noise, at places that are no multiple of each other."""
    samples, rng = np.zeros(int(rate * seconds)), np.random.default_rng(0)
    for start in (0.3, 0.83, 1.6, 2.7):
        n = int(0.03 * rate)
        burst = rng.standard_normal(n) * np.exp(-np.arange(n) / (0.006 * rate))
        samples[int(start * rate) : int(start * rate) + n] += 0.2 * np.clip(burst, -3, 3)
    return samples


def encode(path, *options) -> None:
    wav = path.with_name("source.wav")
    soundfile.write(wav, np.stack([clicks(44_100), 0.8 * clicks(44_100)], axis=1), 44_100)
    subprocess.run([find_ffmpeg(), "-v", "error", "-y", "-i", wav, *options, path], check=True)


def lag_ms(samples: np.ndarray, expected: np.ndarray) -> float:
    """By how much `samples` come later, at the peak of the correlation."""
    n = 1 << 18
    spectra = np.fft.rfft(samples, n) * np.conj(np.fft.rfft(expected, n))
    peak = int(np.argmax(np.fft.irfft(spectra)))
    return 1000 * (peak - n if peak > n // 2 else peak) / RATE


# Suffix, ffmpeg's options, s that the encoder fills up to whole frames at the end.
FORMATS = [
    (".wav", "-c:a pcm_s24le", 0),
    (".FLAC", "-c:a flac", 0),
    (".aif", "-c:a pcm_s16be", 0),
    (".AIFF", "-c:a pcm_s16be", 0),
    (".caf", "-c:a pcm_s16be", 0),
    (".w64", "-c:a pcm_s16le", 0),
    (".au", "-c:a pcm_s16be", 0),
    (".wv", "-c:a wavpack", 0),
    (".tta", "-c:a tta", 0),
    (".m4a", "-c:a alac", 0),
    (".M4A", "-c:a aac", 0),
    (".mp4", "-c:a aac", 0),
    (".mov", "-c:a aac", 0),
    (".mka", "-c:a aac", 0.03),
    (".ogg", "-c:a libvorbis", 0),
    (".oga", "-c:a flac", 0),
    (".OPUS", "-c:a libopus", 0.0001),
    (".webm", "-c:a libopus", 0.0001),
    (".mp3", "-c:a libmp3lame", 0),
    (".mp3", "-c:a libmp3lame -q:a 7 -write_xing 0", 0.03),
    (".aac", "-c:a aac", 0.03),
    (".ac3", "-c:a ac3", 0.03),
    (".mp2", "-c:a mp2", 0.03),
]


@pytest.mark.parametrize(("suffix", "options", "filled_s"), FORMATS)
def test_length_and_time_zero_of_every_format(tmp_path, suffix, options, filled_s):
    path = tmp_path / f"take{suffix}"
    encode(path, *options.split())
    told: list[str] = []
    samples = load_audio(path, tell=told.append)
    lost_s = 0.01 if suffix == ".mp2" else 0  # its encoder keeps its last samples to itself
    assert -lost_s <= len(samples) / RATE - 3 <= filled_s
    expected = resample(clicks(44_100), 44_100, RATE)
    assert abs(lag_ms(samples / 32768, expected)) < 0.1
    # What is taken out is said, and nothing else; the rest is as long as ffmpeg finds it.
    raw = ["-v", "error", "-i", path, "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"]
    n = len(subprocess.run([find_ffmpeg(), *raw], capture_output=True, check=True).stdout) // 2
    taken = float(told[0].split(": ")[1].split()[0]) / 1000 if told else 0.0
    assert len(told) == (suffix in (".aac", ".ac3", ".mp2") or "-write_xing" in options)
    assert len(samples) / RATE == pytest.approx(n / RATE - taken, abs=0.001)


def test_a_film_is_its_sound_and_a_picture_has_none(tmp_path):
    picture = ["-f", "lavfi", "-i", "color=c=red:s=64x64:d=4", "-c:v"]
    encode(tmp_path / "film.mp4", *picture, "mpeg4", "-c:a", "aac")
    told: list[str] = []
    # The pictures go on for a second more than the sound: it is not cut off.
    assert len(load_audio(tmp_path / "film.mp4", tell=told.append)) == 3 * RATE and not told
    encode(tmp_path / "cover.jpg", *picture, "mjpeg", "-map", "1", "-frames:v", "1")
    with pytest.raises(SfpipeError, match="no sound in it"):
        load_audio(tmp_path / "cover.jpg")


@pytest.mark.parametrize(
    ("suffix", "options", "why"),
    [
        (".flac", "-c:a flac", "s of the 3.00 s"),
        (".aiff", "-c:a pcm_s16be", "s of the 3.00 s"),
        (".mp3", "-c:a libmp3lame", "s of the 3.00 s"),
        (".mka", "-c:a libvorbis", "s of the 3.00 s"),
        (".m4a", "-c:a aac -movflags +faststart", "s of the 3.00 s"),
        (".opus", "-c:a libopus", "no end mark"),
    ],
)
def test_what_is_cut_off_is_read_and_told(tmp_path, suffix, options, why):
    path, told = tmp_path / f"take{suffix}", []
    encode(path, *options.split())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    samples = load_audio(path, tell=told.append)
    assert RATE / 2 < len(samples) < 2.9 * RATE
    assert len(told) == 1 and why in told[0] and "cut off" in told[0]


def test_a_suffix_that_does_not_say_what_is_inside(tmp_path):
    encode(tmp_path / "take.mp3")
    (tmp_path / "take.mp3").rename(tmp_path / "take.wav")
    assert len(load_audio(tmp_path / "take.wav")) == 3 * RATE


def test_a_playlist_opens_no_other_file(tmp_path):
    encode(tmp_path / "other.aac")
    for name in ("take.m3u8", "take.wav", "take.mp4"):
        (tmp_path / name).write_text(f"#EXTM3U\n#EXTINF:3,\nfile://{tmp_path}/other.aac\n")
        with pytest.raises(SfpipeError, match="cannot be read as audio"):
            load_audio(tmp_path / name)


def test_hours_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("sfpipe.audio.files.LONGEST_S", 2)
    for suffix in (".wav", ".m4a"):
        encode(tmp_path / f"take{suffix}")
        with pytest.raises(SfpipeError, match="lasts longer than"):
            load_audio(tmp_path / f"take{suffix}")


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
    mp3s = tmp_path / "joined.mp3"
    encode(mp3s)
    mp3s.write_bytes(mp3s.read_bytes() * 2)
    for path, seconds in ((vbr, 3), (joined, 6), (flac, 3), (mp3s, 6)):
        assert abs(len(load_audio(path)) / RATE - seconds) < 0.1, path


@pytest.mark.parametrize("suffix", [".mp3", ".m4a"])
def test_what_ffmpeg_cannot_read_is_one_line(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"not audio at all" * 100)
    with pytest.raises(SfpipeError, match="cannot be read as audio") as error:
        load_audio(path)
    assert "\n" not in str(error.value)
