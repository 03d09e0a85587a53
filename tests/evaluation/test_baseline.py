"""The stage `baseline`: stores in, the same figures as an agent's out."""

import json

import pytest

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.baseline import evaluate_baseline
from sfpipe.evaluation.report import summary
from sfpipe.following.sources import Sources
from sfpipe.params import BaselinesParams, EvaluateParams, SynthesizeParams
from tests.projects import write_stores


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """MIDI-ODTW on the toy project, whose performance counts as that of the score."""
    root = tmp_path_factory.mktemp("baseline")
    write_stores(root)
    sources = Sources(
        root / "data/scores/toy.h5",
        root / "data/spectrograms/toy.h5",
        root / "data/engraved/toy",
        BaselinesParams(),
        SynthesizeParams(train={"soundfonts": [""]}),
    )
    params = EvaluateParams(trials=4)
    value = evaluate_baseline("midi-odtw", params, sources, root / "out", seed=3, quiet=True)
    return root / "out/midi-odtw.json", value


def test_figures_are_those_of_an_evaluation(written):
    path, value = written
    assert json.loads(path.read_text("utf-8"), parse_constant=pytest.fail) == value
    assert (value["r_tue"], value["r_on"], value["abs_dx_cm"]["mean"]) == (1, 1, 0)
    assert value["reference_counting"]["r_on"] == 1
    assert value["ci95"]["r_on"] == {"low": 1, "high": 1}
    # Nothing is left to chance: one trial, whatever was asked for.
    assert (value["n_games"], value["trials"], value["n_onsets"], value["seed"]) == (1, 1, 3, 3)
    assert value["meta"] == {
        "dataset": "toy",
        "split": "test",
        "baseline": "midi-odtw",
        "label": "MIDI-ODTW",
        "window": "nottingham",
    }


def test_its_table_names_it(written):
    text = summary(written[1])
    assert "MIDI-ODTW" in text and "agent" not in text


def test_one_that_learns_nothing_cannot_be_trained_again(tmp_path):
    files = (tmp_path / "scores.h5", tmp_path / "spectrograms.h5", tmp_path / "engraved")
    sources = Sources(*files, BaselinesParams(), SynthesizeParams())
    with pytest.raises(SfpipeError, match="midi-odtw learns nothing -> leave out --train"):
        evaluate_baseline("midi-odtw", EvaluateParams(), sources, tmp_path, seed=0, train=True)
