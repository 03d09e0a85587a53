"""Pitch classes of real tones, and their onsets."""

import numpy as np
import pytest

from sfpipe.audio.spectrogram import spectrogram
from sfpipe.baselines.chroma import CLASSES, Chroma, Spectrum, folding
from sfpipe.store.schema import SAMPLE_RATE

RATE = SAMPLE_RATE


def tone(pitch, seconds=0.5):
    """A tone after as much silence."""
    t = np.arange(int(RATE * seconds)) / RATE
    sound = 0.3 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * t)
    return np.concatenate([np.zeros_like(sound), sound])


def test_every_bin_has_one_pitch_class():
    assert folding().shape == (12, 78)
    assert (folding().sum(0) == 1).all()
    # In the octave of a' a bin is a semitone: twelve neighbours are twelve classes.
    assert len(set(folding()[:, 35:47].argmax(0))) == 12


@pytest.mark.parametrize("pitch", range(55, 97))
def test_a_tone_is_its_pitch_class(pitch):
    chroma = Chroma().of(spectrogram(tone(pitch), RATE))[15, :CLASSES]
    assert chroma.argmax() == pitch % 12
    assert np.linalg.norm(chroma) == pytest.approx(1)


def test_octave_and_loudness_matter_little():
    def at(samples):
        return Chroma().of(spectrogram(samples, RATE))[15, :CLASSES]

    assert at(tone(60)) @ at(tone(72)) > 0.8
    assert at(tone(67)) @ at(tone(67) / 10) > 0.8
    assert at(tone(60)) @ at(tone(66)) < 0.7


def test_onsets_show_a_repeated_note_and_fade():
    """The chroma alone would not tell a struck key from a held one."""
    struck = tone(60)[RATE // 2 :] * np.exp(-np.arange(RATE // 2) / (RATE / 8))
    sound = np.concatenate([np.zeros(RATE // 2), struck, struck])
    features = Chroma(onset_weight=2, fading=0.5).of(spectrogram(sound, RATE))
    onset = features[:, CLASSES]  # of C
    assert onset[20:22].max() > 4 * onset[18]
    np.testing.assert_allclose(onset[24], onset[23] / 2)
    assert (Chroma(onset_weight=0).of(spectrogram(sound, RATE))[:, CLASSES:] == 0).all()


def tune():
    """Struck notes of different strength, after half a second of silence."""
    gap = np.exp(-np.arange(RATE // 2) / (RATE / 6))
    notes = [tone(p)[RATE // 2 :] * gap * g for p, g in ((60, 1), (64, 0.4), (67, 0.7), (62, 0.5))]
    return np.concatenate([np.zeros(RATE // 2), *notes])


def alike(a, b):
    """Mean cosine of two recordings' features from the first note on."""
    a, b = a[11:], b[11:]
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean())


def test_softly_played_is_the_same():
    loud, soft = (Spectrum().of(spectrogram(tune() * g, RATE)) for g in (1, 0.2))
    assert alike(loud, soft) > 0.98


def test_noise_changes_spectra_less_than_another_note():
    clean = tune()
    noise = np.random.default_rng(0).normal(0, 1, len(clean)) * np.std(clean) / 5  # 14 dB
    plain, noisy = (Spectrum().of(spectrogram(s, RATE)) for s in (clean, clean + noise))
    assert alike(plain, noisy) > 0.75
    assert alike(plain, noisy) > alike(plain[:-10], noisy[10:]) + 0.2  # a note further


def test_spectrum_by_hand():
    # Magnitudes 1 and 3 in two bins, then 1 and 1: log(1 + 10 m / 3) is 1.466 and 2.398, then
    # of 3 * 0.98 = 2.94 (the loudness has fallen) 1.482 and 1.482.
    frames = np.zeros((78, 2), np.float32)
    frames[:2] = np.log10([[2, 2], [4, 2]])
    first, second = Spectrum().of(frames)
    level = np.log1p(10 / 3 * np.array([1, 3]))
    np.testing.assert_allclose(first[:2], level / np.hypot(*level), rtol=1e-5)
    assert (first[78:] == 0).all()
    after = np.log1p(10 / 2.94)
    np.testing.assert_allclose(second[:2], np.sqrt(0.5), rtol=1e-5)
    # The first bin rose by 0.016, measured by 0.3 at least.
    np.testing.assert_allclose(second[78], (after - level[0]) / 0.3, rtol=1e-3)
    assert second[79] == 0


KINDS = pytest.mark.parametrize("kind", [Chroma, Spectrum])


@KINDS
def test_silence_is_nothing(kind):
    assert (kind().of(np.zeros((78, 4), np.float32)) == 0).all()


@KINDS
def test_frame_by_frame_as_a_whole(kind):
    frames = np.random.default_rng(0).random((78, 30)).astype(np.float32)
    chroma = kind()
    whole = chroma.of(frames)
    chroma.reset()
    np.testing.assert_array_equal(np.array([chroma.step(f) for f in frames.T]), whole)
