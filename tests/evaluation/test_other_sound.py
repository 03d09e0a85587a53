"""A tune at another pitch and on another instrument: followed if its follower is told, else not."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sfpipe.audio.pitch import PitchOffset
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.datasets.index import read_index
from sfpipe.engraving.piece import engrave_piece
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.other_sound import OtherSound, play_otherwise
from sfpipe.params import EngraveParams, SynthesizeParams
from sfpipe.score.stage import unroll_piece
from sfpipe.store.reader import read_performances
from sfpipe.store.schema import SAMPLE_RATE
from sfpipe.store.writer import write_scores, write_spectrograms
from tests.live.scores import TUNE
from tests.tunes import write_raw

ROOT = Path(__file__).parents[2]
AGENT = ROOT / "models/pretrained/nottingham-belief"


@pytest.fixture(scope="module")
def tune(tmp_path_factory, soundfont) -> Path:
    """A project folder with one tune, in the test split and to know the usual speed from."""
    root = tmp_path_factory.mktemp("other")
    shutil.copy(ROOT / "params.yaml", root)
    raw = write_raw(root / "data/raw/toy", {"tune": TUNE})
    engraved = root / "data/engraved/toy"
    engrave_piece(read_index(raw).pieces[0], EngraveParams(), raw, engraved)
    strip, _ = unroll_piece(engraved / "tune", 40)
    samples = synthesize_midi(engraved / "tune/score.mid", soundfont)
    about = {"dataset": "toy", "params": {}, "tools": {}}
    with write_scores(root / "data/scores/toy.h5", **about) as scores:
        for piece, split in (("tune", "test"), ("other", "train")):
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
        for piece, split in (("tune", "test"), ("other", "train")):
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
    store = tune / "data/spectrograms/toy.h5"
    sound = OtherSound(PitchOffset(), program=0)
    engraved = tune / "data/engraved/toy"
    with play_otherwise(sound, store, engraved, "test", params=SynthesizeParams(), jobs=1) as other:
        (ours,), (theirs,) = read_performances(other.store), read_performances(store, "test")
        np.testing.assert_array_equal(ours.spectrogram, theirs.spectrogram)
        np.testing.assert_array_equal(ours.onset_s, theirs.onset_s)
    assert not other.store.exists()


def test_recordings_are_not_synthesised_again(tune):
    sound = OtherSound(PitchOffset(-2), program=0)
    store = tune / "data/spectrograms/toy.h5"
    other = play_otherwise(sound, store, tune, "valid", params=SynthesizeParams())
    with pytest.raises(SfpipeError, match="holds no performance of 'valid'"), other:
        pass


def test_evaluate_told_and_untold(tune, sfpipe, monkeypatch):
    monkeypatch.chdir(tune)
    reached = {}
    for told in ("--told", "--untold"):
        code, _, err = sfpipe(
            *("evaluate", "--dataset", "toy", "--agent", AGENT, "--transpose", -5, told),
            *("--trials", 1, "--a4", 415, "--program", 24, "--out", f"metrics{told}"),
        )
        assert code == 0, err
        written = json.loads(Path(f"metrics{told}/eval.json").read_text())
        reached[told] = written["r_on"]
    assert written["meta"]["sounding"] == {
        "a4_hz": 415.0,
        "semitones": -5,
        "program": 24,
        "told": False,
    }
    assert reached["--told"] > 0.9 and reached["--untold"] < 0.5


def test_options_that_do_not_go_together(tune, sfpipe, monkeypatch):
    monkeypatch.chdir(tune)
    code, _, err = sfpipe("evaluate", "--dataset", "toy", "--a4", 415, "--real-performances")
    assert code == 1 and "synthesise a split again" in err
