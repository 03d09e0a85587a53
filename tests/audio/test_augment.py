import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.audio.augment import augment_audio, augment_midi, equalise
from sfpipe.audio.files import load_audio
from sfpipe.audio.midi import Control, Midi, MidiNote
from sfpipe.audio.onset_files import read_onsets
from sfpipe.audio.performances import choose_performances
from sfpipe.audio.soundfonts import SoundFont
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.stage import synthesize
from sfpipe.params import AugmentParams, SynthesizeParams, VariantParams
from sfpipe.store.schema import SAMPLE_RATE
from tests.audio.conftest import write_piece

SCORE_S = np.arange(0, 60, 0.5)
SCORE = Midi(
    [MidiNote(t, t + 0.4, 0, 60 + k, 80, 2 * t) for t in SCORE_S for k in (0, 4, 7)],
    [Control(10.0, 0, 64, 127)],
)
PLAIN = {"jitter_s": 0, "asynchrony_s": 0, "velocity": 0}


def rng(seed=1):
    return np.random.default_rng(seed)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000))
def test_onsets_stay_in_order_and_tempi_in_their_range(seed):
    _, onset_s = augment_midi(SCORE, SCORE_S, AugmentParams(copies=1, **PLAIN), rng(seed))
    tempo = np.diff(SCORE_S) / np.diff(onset_s)
    assert (tempo > 0.5 - 1e-6).all() and (tempo < 2 + 1e-6).all()
    _, jittered = augment_midi(SCORE, SCORE_S, AugmentParams(jitter_s=0.5), rng(seed))
    assert (np.diff(jittered) > 0).all() and jittered[0] >= 0


def test_the_tempo_drifts_within_the_piece():
    _, onset_s = augment_midi(SCORE, SCORE_S, AugmentParams(**PLAIN), rng())
    tempo = np.diff(SCORE_S) / np.diff(onset_s)
    assert tempo.max() / tempo.min() > 1.5
    # It glides: from one note to the next it changes little.
    assert np.abs(np.diff(np.log(tempo))).max() < np.log(4) * 0.5 / 8 * 1.1


def test_notes_and_pedal_go_along_with_the_onsets():
    played, onset_s = augment_midi(
        SCORE, SCORE_S, AugmentParams(**PLAIN | {"jitter_s": 0.03}), rng()
    )
    starts = np.array([n.start_s for n in played.notes]).reshape(-1, 3)
    assert np.abs(starts - onset_s[:, None]).max() < 1e-9
    at = int(np.searchsorted(SCORE_S, 10.0))
    assert played.controls[0].time_s == pytest.approx(onset_s[at])
    assert all(n.end_s > n.start_s for n in played.notes)


def test_chords_are_not_struck_at_once_nor_equally_loud():
    params = AugmentParams(tempo=(1, 1), jitter_s=0, asynchrony_s=0.02, velocity=10)
    played, onset_s = augment_midi(SCORE, SCORE_S, params, rng())
    assert onset_s == pytest.approx(SCORE_S)
    off = np.array([n.start_s for n in played.notes]).reshape(-1, 3) - onset_s[:, None]
    assert 0.01 < off.std() < 0.02 and np.abs(off).max() <= 0.04 + 1e-9
    assert len({n.velocity for n in played.notes}) > 10


def test_sound_is_disguised_and_onsets_stay():
    samples = np.zeros(SAMPLE_RATE * 2, np.int16)
    samples[SAMPLE_RATE : SAMPLE_RATE + 200] = 8000 * np.sin(np.arange(200) / 3)
    params = AugmentParams(noise_share=0, room_share=1)
    heard = augment_audio(samples, params, rng())
    assert heard.dtype == np.int16 and len(heard) == len(samples)
    first = int(np.flatnonzero(np.abs(heard) > 0.2 * np.abs(heard).max())[0])
    assert abs(first - SAMPLE_RATE) < 0.005 * SAMPLE_RATE
    assert np.abs(heard[SAMPLE_RATE + 4000 :]).max() > 0  # it rings on
    noisy = augment_audio(samples, AugmentParams(noise_share=1, room_share=0), rng())
    assert noisy[:1000].std() > 0


def test_the_equaliser_changes_the_bands_asked_for():
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    low, high = (np.sin(2 * np.pi * f * t).astype(np.float32) for f in (60, 6000))
    gain = np.array([6.0, 0, 0, 0, -12.0])
    middle = slice(5000, 15000)
    assert np.abs(equalise(low, gain)[middle]).max() == pytest.approx(10 ** (6 / 20), rel=0.05)
    assert np.abs(equalise(high, gain)[middle]).max() == pytest.approx(10 ** (-12 / 20), rel=0.05)


def test_varied_performances_come_beside_the_plain_ones(tmp_path):
    fonts = [SoundFont(n, tmp_path / n, "", "") for n in ("A", "B")]
    plain = VariantParams(soundfonts=["A", "B"], tempo_factors=[1.0, 1.25], per_piece=2)
    before, after = (
        choose_performances(plain, fonts, "p", 1),
        choose_performances(plain, fonts, "p", 1, copies=6),
    )
    assert after[:2] == before
    assert [p.copy for p in after[2:]] == [1, 2, 3, 4, 5, 6]
    assert {p.soundfont.name for p in after[2:]} == {"A", "B"}
    assert len({p.name for p in after}) == 8
    assert after == choose_performances(plain, fonts, "p", 1, copies=6)


def test_varied_performances_are_synthesised_and_the_plain_ones_stay(soundfont, tmp_path):
    write_piece(tmp_path / "engraved" / "tune", n=8)
    accepted = {"accepted": {"train": ["tune"], "valid": [], "test": []}}
    (tmp_path / "clean.json").write_text(json.dumps(accepted))
    plain = {"soundfonts": [str(soundfont)], "tempo_factors": [1.0]}
    for out, copies in (("off", 0), ("on", 2)):
        params = SynthesizeParams(
            train=VariantParams(**plain),
            augment=AugmentParams(copies=copies),
            test=VariantParams(**plain),
        )
        where = (tmp_path / "clean.json", tmp_path / "engraved", tmp_path / out)
        synthesize(params, *where, seed=1, jobs=1)
    off, on = tmp_path / "off" / "tune", tmp_path / "on" / "tune"
    for file in off.iterdir():
        assert (on / file.name).read_bytes() == file.read_bytes()
    made = sorted(on.glob("*augmented*.json"))
    assert len(made) == 2
    for recipe in made:
        assert json.loads(recipe.read_text())["augment"]["jitter_s"] == 0.02
        onset_s, score_onset = read_onsets(recipe.with_suffix(".csv"))
        assert score_onset.tolist() == list(range(8)) and (np.diff(onset_s) > 0).all()
        assert not np.allclose(np.diff(onset_s), 0.4, atol=0.01)
        energy = spectrogram(load_audio(recipe.with_suffix(".flac")), SAMPLE_RATE).sum(axis=0)
        at = (onset_s[1:] * 20).astype(int)
        assert np.mean([energy[a : a + 3].max() > 1.02 * energy[a - 1] for a in at]) > 0.7
