"""Followers by name, and where MIDI-ODTW gets the sound of a score from."""

import dataclasses

import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.following.registry import FOLLOWERS, load_follower
from sfpipe.following.sources import Sources
from sfpipe.game.follower import follow
from sfpipe.params import BaselinesParams, SynthesizeParams
from sfpipe.store.writer import write_spectrograms
from tests.audio.conftest import write_piece
from tests.pipeline.closure import ROOT
from tests.projects import write_stores
from tests.toy import NOTTINGHAM, score_record


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(SfpipeError, match="unknown follower 'midi-dtw'") as caught:
        load_follower("midi-dtw")
    assert "did you mean 'midi-odtw'?" in str(caught.value)
    with pytest.raises(SfpipeError, match=r"did you mean 'nottingham-ppo'\?"):
        load_follower("nottingham-pp")
    with pytest.raises(SfpipeError, match="'midi-odtw' needs the scores' files"):
        load_follower("midi-odtw")


@pytest.fixture
def sources(tmp_path, plain, perform, soundfont):
    """A store with two performances of the melody, and an engraved piece without one."""
    spectrograms = tmp_path / "spectrograms.h5"
    with write_spectrograms(spectrograms, dataset="toy", params={}, tools={}) as store:
        for record in (perform(soundfont, 1.25), plain):
            fields = dataclasses.asdict(record)
            store.add(fields.pop("piece"), fields.pop("performance"), **fields)
    write_piece(tmp_path / "engraved/four", n=6)
    write_stores(tmp_path)
    synthesize = SynthesizeParams(train={"soundfonts": [str(soundfont)]})
    return Sources(
        tmp_path / "data/scores/toy.h5",
        spectrograms,
        tmp_path / "engraved",
        BaselinesParams(),
        synthesize,
    )


def test_the_performance_as_written_is_found(sources, plain):
    found = sources.as_written("melody")
    assert found.performance == "plain" and found.tempo_factor == 1
    np.testing.assert_array_equal(found.spectrogram, plain.spectrogram)
    assert sources.as_written("four") is None
    other = SynthesizeParams(train={"soundfonts": ["FluidR3_GM"]})
    assert dataclasses.replace(sources, synthesize=other).as_written("melody") is None


def test_midi_odtw_from_the_store(sources, score, perform, soundfont):
    follower = load_follower("midi-odtw", sources)
    game = follow(follower, score, perform(soundfont, 1.25), NOTTINGHAM)
    assert game.onsets_reached == len(game.onset_frames)


def test_midi_odtw_from_the_engraved_midi_where_the_store_has_none(sources):
    score = score_record("four", [20, 30, 40, 50, 60, 70], width=120)
    follower = load_follower("midi-odtw", sources)
    follower.reset(score)
    assert follower.step(np.zeros(78, np.float32)) == pytest.approx(20)
    with pytest.raises(SfpipeError, match="has 6 onsets, the score store 2"):
        follower.reset(score_record("four", [20, 30], width=120))


def test_features_adapt_as_each_baseline_is_told(sources):
    midi, omr = (load_follower(name, sources).frames.params for name in ("midi-odtw", "omr-odtw"))
    assert midi.adaptive and not omr.adaptive
    told = BaselinesParams(odtw={"adaptive": False, "width_s": 5}, omr={"adaptive": True})
    sources = dataclasses.replace(sources, baselines=told)
    midi, omr = (load_follower(name, sources).frames.params for name in ("midi-odtw", "omr-odtw"))
    assert not midi.adaptive and omr.adaptive
    assert omr.width_s == 5


def test_every_follower_is_loaded_by_its_name(sources):
    assert set(BaselinesParams().names) <= set(FOLLOWERS)
    for name in FOLLOWERS:
        follower = load_follower(name, sources)
        assert follower.name == name and follower.label and follower.window == NOTTINGHAM


def test_agents_of_both_kinds_follow_frame_by_frame_without_sources():
    score = score_record("a", [20, 60, 140], width=300)
    for name, policy in (("ryan-dagger", "stochastic"), ("nottingham-belief", "planned")):
        follower = load_follower(ROOT / "models/pretrained" / name)
        follower.reset(score)
        assert 0 <= follower.step(np.zeros(78, np.float32)) <= 300
        assert (follower.name, follower.policy) == (name, policy)
        assert follower.card["window"] == follower.window.name == "nottingham"
        assert (follower.network is None, follower.argmax is None) == (policy == "planned",) * 2


def test_a_augmented_performance_is_not_as_written(sources, plain):
    again = dataclasses.replace(plain, performance="a-augmented1")
    with write_spectrograms(sources.spectrograms, dataset="toy", params={}, tools={}) as store:
        for record in (again, plain):
            fields = dataclasses.asdict(record)
            store.add(fields.pop("piece"), fields.pop("performance"), **fields)
    assert sources.as_written("melody").performance == "plain"
