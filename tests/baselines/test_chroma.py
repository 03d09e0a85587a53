"""Pitch classes of real tones, and their onsets."""

import numpy as np
import pytest

from sfpipe.audio.spectrogram import spectrogram
from sfpipe.baselines.chroma import CLASSES, Chroma, folding
from sfpipe.store.schema import SAMPLE_RATE

RATE = SAMPLE_RATE


def tone(pitch, seconds=0.5):
    t = np.arange(int(RATE * seconds)) / RATE
    return 0.3 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * t)


def test_every_bin_has_one_pitch_class():
    assert folding().shape == (12, 78)
    assert (folding().sum(0) == 1).all()
    # In the octave of a' a bin is a semitone: twelve neighbours are twelve classes.
    assert len(set(folding()[:, 35:47].argmax(0))) == 12


@pytest.mark.parametrize("pitch", range(55, 97))
def test_a_tone_is_its_pitch_class(pitch):
    chroma = Chroma().of(spectrogram(tone(pitch), RATE))[5, :CLASSES]
    assert chroma.argmax() == pitch % 12
    assert np.linalg.norm(chroma) == pytest.approx(1)


def test_octave_and_loudness_matter_little():
    def at(samples):
        return Chroma().of(spectrogram(samples, RATE))[5, :CLASSES]

    assert at(tone(60)) @ at(tone(72)) > 0.8
    assert at(tone(67)) @ at(tone(67) / 10) > 0.8
    assert at(tone(60)) @ at(tone(66)) < 0.7


def test_onsets_show_a_repeated_note_and_fade():
    """The chroma alone would not tell a struck key from a held one."""
    gap = np.exp(-np.arange(RATE // 2) / (RATE / 8))
    features = Chroma(onset_weight=2, fading=0.5).of(
        spectrogram(np.concatenate([tone(60) * gap] * 2), RATE)
    )
    onset = features[:, CLASSES]  # of C
    assert onset[10:12].max() > 4 * onset[8]
    np.testing.assert_allclose(onset[14], onset[13] / 2)
    assert (Chroma(onset_weight=0).of(spectrogram(tone(60), RATE))[:, CLASSES:] == 0).all()


def test_silence_is_no_chroma():
    assert (Chroma().of(np.zeros((78, 4), np.float32)) == 0).all()


def test_frame_by_frame_as_a_whole():
    frames = np.random.default_rng(0).random((78, 30)).astype(np.float32)
    chroma = Chroma()
    whole = chroma.of(frames)
    chroma.reset()
    np.testing.assert_array_equal(np.array([chroma.step(f) for f in frames.T]), whole)
