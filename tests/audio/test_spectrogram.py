import numpy as np
import pytest

from sfpipe.audio.files import load_audio
from sfpipe.audio.spectrogram import first_sample, n_frames, spectrogram
from sfpipe.errors import SfpipeError
from tests.audio.conftest import DATA

RATE = 22_050


def test_equals_the_reference_on_its_own_signal(golden):
    result = spectrogram(golden["wav"], int(golden["sr"]))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, golden["spec"], atol=1e-5, rtol=0)


def test_the_committed_wav_is_that_signal(golden):
    np.testing.assert_array_equal(load_audio(DATA / "synth5s_22050.wav"), golden["wav"])


def test_equals_the_reference_on_a_piano_piece(reference):
    with np.load(reference / "spectrogram" / "spec_lesgraces_fluidr3.npz") as arrays:
        result = spectrogram(arrays["wav22k_mono"], int(arrays["sr"]))
        np.testing.assert_allclose(result, arrays["spec"], atol=1e-5, rtol=0)


def test_float_samples_mean_the_same_as_int16(golden):
    floats = golden["wav"].astype(np.float64) / 32767
    np.testing.assert_allclose(spectrogram(floats, RATE), golden["spec"], atol=1e-5)


@pytest.mark.parametrize(
    ("samples", "frames"), [(1, 1), (1102, 1), (1103, 2), (2205, 2), (2206, 3), (22_050, 20)]
)
def test_twenty_frames_per_second_rounded_up(samples, frames):
    assert n_frames(samples) == frames
    assert spectrogram(np.zeros(samples, np.int16), RATE).shape == (78, frames)


def test_frames_are_centred_on_the_half_integer_hop():
    assert [first_sample(i) + 1024 for i in range(4)] == [0, 1102, 2205, 3307]


def test_silence_is_zero_and_a_tone_peaks_in_its_bin():
    assert not spectrogram(np.zeros(5000, np.int16), RATE).any()
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    # Bins are centred on B1 (61.7 Hz) + 1, + 2, ... semitones; a' = 440 Hz is 34 above B1.
    assert (spectrogram(tone, RATE)[:, 5:15].argmax(axis=0) == 33).all()


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(100, np.int16), 44_100, "22050 Hz, found 44100"),
        (np.zeros(0, np.int16), RATE, "empty"),
        (np.zeros((100, 2), np.int16), RATE, "mono"),
        (np.array([0.0, np.nan]), RATE, "NaN"),
        (np.array([0.0, np.inf]), RATE, "NaN or infinity"),
        (np.zeros(100, np.int32), RATE, "int32"),
    ],
)
def test_bad_input_is_named(samples, rate, message):
    with pytest.raises(SfpipeError, match=message):
        spectrogram(samples, rate)
