import numpy as np
import pytest
import soundfile

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
