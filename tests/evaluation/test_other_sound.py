"""A tune at another pitch and on another instrument: followed if its follower is told, else not."""

import json
from pathlib import Path

import numpy as np
import pytest

from sfpipe.audio.files import write_flac
from sfpipe.audio.pitch import PitchOffset
from sfpipe.audio.soundfonts import resolve_soundfont
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.datasets.index import read_index
from sfpipe.engraving.piece import engrave_piece
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.other_sound import (
    Finder,
    OtherSound,
    Synthesised,
    play_otherwise,
    synthesised_records,
)
from sfpipe.evaluation.sounding import joined
from sfpipe.game.play import PlayedGame
from sfpipe.params import EngraveParams, SynthesizeParams
from sfpipe.score.stage import unroll_piece
from sfpipe.store.reader import read_performances
from sfpipe.store.schema import SAMPLE_RATE
from sfpipe.store.writer import write_scores, write_spectrograms
from tests.live.scores import TUNE
from tests.tunes import write_raw

ROOT = Path(__file__).parents[2]
AGENT = ROOT / "models/pretrained/nottingham-belief"
SPLITS = (("tune", "test"), ("other", "train"), ("third", "valid"))


@pytest.fixture(scope="module")
def tune(tmp_path_factory, soundfont) -> Path:
    """A project folder with one tune, in the test split and to know the usual speed from."""
    root = tmp_path_factory.mktemp("other")
    params = (ROOT / "params.yaml").read_text()
    (root / "params.yaml").write_text(params.replace("max_minutes: 20 ", "max_minutes: 0.02 "))
    raw = write_raw(root / "data/raw/toy", {"tune": TUNE})
    engraved = root / "data/engraved/toy"
    engrave_piece(read_index(raw).pieces[0], EngraveParams(), raw, engraved)
    strip, _ = unroll_piece(engraved / "tune", 40)
    samples = synthesize_midi(engraved / "tune/score.mid", soundfont)
    about = {"dataset": "toy", "params": {}, "tools": {}}
    with write_scores(root / "data/scores/toy.h5", **about) as scores:
        for piece, split in SPLITS:
            scores.add(
                piece,
                split=split,
                strip=strip.image,
                onset_x_px=strip.onset_x_px,
                onset_y_px=strip.onset_y_px,
                onset_quarter=strip.onset_quarter,
                staff_space_px=3.5,
                px_per_cm=28.346,
            )
    with write_spectrograms(root / "data/spectrograms/toy.h5", **about) as store:
        for piece, split in SPLITS:
            store.add(
                piece,
                "TimGM6mb-x1.00",
                split=split,
                spectrogram=spectrogram(samples, SAMPLE_RATE),
                onset_s=strip.onset_s,
                score_onset=np.arange(len(strip.onset_s)),
                soundfont="TimGM6mb",
            )
    return root


def test_as_written_it_is_what_the_store_has(tune):
    store, scores = tune / "data/spectrograms/toy.h5", tune / "data/scores/toy.h5"
    records = synthesised_records(store, "test")
    samples = Synthesised.of(tune / "data/engraved/toy", SynthesizeParams(), records)
    sound = OtherSound(PitchOffset(), program=0)
    with play_otherwise(sound, records, samples, store, Finder.of(scores, AGENT), jobs=1) as other:
        (ours,) = read_performances(other.stores[0])
        np.testing.assert_array_equal(ours.spectrogram, records[0].spectrogram)
        np.testing.assert_array_equal(ours.onset_s, records[0].onset_s)
    assert not other.stores[0].exists()


def test_recordings_are_not_synthesised_again(tune):
    with pytest.raises(SfpipeError, match="holds no performance of 'human'"):
        synthesised_records(tune / "data/spectrograms/toy.h5", "human")


def test_a_game_that_is_heard_again_goes_on_there():
    def game(error, lost):
        error = np.array(error, np.float32)
        rest = {"threshold_px": 10.0, "width": 20, "px_per_cm": 30.0, "reward_sum": 0.0}
        onsets = {"onset_frames": [5, 9], "onset_x_px": [0, 90], "onset_s": [0.25, 0.45]}
        of = ("a", "b", 0, 5, error, error + 100, lost)
        return PlayedGame(*of, **rest, **{k: np.array(v) for k, v in onsets.items()})

    wrong, right = game([1, 5, 9, 12], True), game([0, 0, 2, 1], False)
    both = joined(wrong, right, 8)  # steps 1 and 2, of frames 6 and 7, are the first one's
    assert (both.error_px.tolist(), both.lost) == ([1, 5, 2, 1], False)
    assert both.position_px.tolist() == [101, 105, 102, 101]
    assert both.reward_sum == pytest.approx(0.9 + 0.5 + 0.8 + 0.9)
    assert joined(wrong, right, 10) is wrong  # lost before
    late = joined(right, game([0, 15], True), 8)
    assert (late.error_px.tolist(), late.lost) == ([0, 0, 15], True)
    assert late.position_px[-1] == 67.5 + 15  # the target is 3 of 4 frames to 90


PLAYED = ("--dataset", "toy", "--transpose", -5, "--a4", 415, "--program", 24, "--trials", 1)


def test_evaluate_told_untold_and_found(tune, sfpipe, monkeypatch):
    monkeypatch.chdir(tune)
    written = {}
    for how in ("--told", "--untold", "--find-pitch"):
        code, _, err = sfpipe("evaluate", *PLAYED, "--agent", AGENT, how, "--out", f"metrics{how}")
        assert code == 0, err
        written[how] = json.loads(Path(f"metrics{how}/eval.json").read_text())
    expected = {"a4_hz": 415.0, "semitones": -5, "program": 24, "pitch": "untold"}
    assert written["--untold"]["meta"]["sounding"] == expected
    assert written["--told"]["r_on"] > 0.9 and written["--untold"]["r_on"] < 0.5
    sounding = written["--find-pitch"]["meta"]["sounding"]
    assert (sounding["n"], sounding["right"], sounding["right_within_10_s"]) == (1, 1, 1)
    (found,) = sounding["performances"].values()
    # A semitone and a cent below 440 Hz: six semitones, and the cent.
    assert (found["semitones"], found["a4_hz"]) == (-6, pytest.approx(440, abs=1.5))
    assert found["right"] and found["right_after_s"] <= 10
    assert list(sounding["performances"]) == ["tune/TimGM6mb-x1.00"]


def test_an_agent_of_the_paper_is_told_too(tune, sfpipe, monkeypatch):
    monkeypatch.chdir(tune)
    reached = {}
    for how in ("--told", "--untold"):
        agent = AGENT.with_name("nottingham-ppo-from-dagger")
        code, _, err = sfpipe("evaluate", *PLAYED[:6], "--agent", agent, how, "--out", f"ppo{how}")
        assert code == 0, err
        reached[how] = json.loads(Path(f"ppo{how}/eval.json").read_text())["r_on"]
    assert reached["--told"] > 0.9 and reached["--untold"] < 0.5


@pytest.mark.parametrize("name", ["midi-odtw", "omr-odtw", "mm-loc"])
def test_baselines_are_told_too(tune, sfpipe, monkeypatch, name):
    monkeypatch.chdir(tune)
    reached = {}
    for how in ("--told", "--untold"):
        code, _, err = sfpipe("baseline", name, *PLAYED, how, "--out", f"metrics{how}")
        assert code == 0, err
        written = json.loads(Path(f"metrics{how}/{name}.json").read_text())
        assert written["meta"]["sounding"]["pitch"] == how.strip("-")
        reached[how] = written["r_on"]
    # MM-Loc is a network, which learns nothing in a second: it has been given the other sound.
    assert reached["--told"] > reached["--untold"] or name == "mm-loc"


def test_recordings_are_played_slower_and_found(tune, sfpipe, monkeypatch):
    """Pitch and time change, and everybody hears what the agent finds."""
    monkeypatch.chdir(tune)
    record = read_performances("data/spectrograms/toy.h5", "test")[0]
    samples = synthesize_midi(
        Path("data/engraved/toy/tune/score.mid"), resolve_soundfont("TimGM6mb").path
    )
    name = "p01-direct"
    write_flac(Path(f"data/real/toy/tune/{name}.flac"), samples)
    with write_spectrograms(
        "data/real/toy/performances.h5", dataset="toy", params={}, tools={}
    ) as store:
        store.add(
            *("tune", name),
            split="test",
            spectrogram=record.spectrogram,
            onset_s=record.onset_s,
            score_onset=record.score_onset,
            condition="direct",
        )
    asked = ("evaluate", "--real-performances", "--dataset", "toy", "--agent", AGENT, "--trials", 1)
    for how in ("--find-pitch", "--told"):
        run = (*asked, "--a4", 415, how, "--baseline", "midi-odtw", "--out", f"real{how}")
        code, _, err = sfpipe(*run)
        assert code == 0, err
        written = json.loads(Path(f"real{how}/real.json").read_text())
        followers = written["conditions"]["direct"]["followers"]
        assert followers["belief"]["r_on"] > 0.9
        # Of the first seconds, a semitone off, chroma makes nothing.
        assert how == "--find-pitch" or followers["midi-odtw"]["r_on"] > 0.9
        sounding = written["meta"]["sounding"]
        assert sounding["a4_hz"] == 415
        assert how == "--told" or sounding["performances"][f"tune/{name}"]["right"]
    code, _, err = sfpipe(*asked, "--program", 3)
    assert code == 1 and "another instrument" in err


def test_options_that_do_not_go_together(tune, sfpipe, monkeypatch):
    monkeypatch.chdir(tune)
    code, _, err = sfpipe("evaluate", "--dataset", "toy", "--a4", 415, "--packed", "x.h5")
    assert code == 1 and "sound otherwise" in err
