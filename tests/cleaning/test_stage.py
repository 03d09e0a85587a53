import json
import shutil

import pytest

from sfpipe.cleaning.stage import clean
from sfpipe.errors import SfpipeError
from sfpipe.params import CleanParams
from tests.tunes import TUNES

PARAMS = CleanParams(min_onsets=8)


@pytest.fixture
def engraved(toy, tmp_path):
    shutil.copytree(toy[1], tmp_path / "toy")
    return tmp_path / "toy"


def test_accepted_by_split_and_written(engraved, tmp_path):
    result = clean(PARAMS, engraved, tmp_path / "clean" / "toy.json")
    assert result["accepted"] == {
        "train": ["chords", "rich"],
        "valid": ["plain"],
        "test": ["waltz"],
    }
    assert result["rejected"] == {} and result["dataset"] == "toy"
    assert result["params"] == PARAMS.model_dump()
    assert result["totals"]["accepted"] == len(result["numbers"]) == 4
    assert result["totals"]["onsets"] == sum(n["n_onsets"] for n in result["numbers"].values())
    assert json.loads((tmp_path / "clean" / "toy.json").read_text()) == result


def test_rejected_with_reason_and_numbers(engraved, tmp_path):
    report = json.loads((engraved / "report.json").read_text())
    report["skipped"]["odd"] = "its repeats cannot be unfolded"
    (engraved / "report.json").write_text(json.dumps(report))
    (engraved / "plain" / "score.mid").unlink()
    about = json.loads((engraved / "rich" / "engraving.json").read_text())
    (engraved / "rich" / "engraving.json").write_text(json.dumps({**about, "split": "spare"}))
    about = json.loads((engraved / "chords" / "engraving.json").read_text())
    shutil.copytree(engraved / "chords", engraved / "alien")
    (engraved / "alien" / "engraving.json").write_text(json.dumps({**about, "engine": "quill"}))
    report["done"].append("alien")
    (engraved / "report.json").write_text(json.dumps(report))
    result = clean(CleanParams(min_onsets=23), engraved, tmp_path / "toy.json")
    assert result["accepted"] == {"train": ["chords"], "valid": [], "test": []}
    reasons = {piece: entry["reason"] for piece, entry in result["rejected"].items()}
    assert reasons["odd"] == "not engraved: its repeats cannot be unfolded"
    assert "score.mid: no such file" in reasons["plain"]
    assert "'spare'" in reasons["rich"]
    assert "engraved by 'quill'" in reasons["alien"]
    assert "at least 23" in reasons["waltz"]
    assert result["rejected"]["waltz"]["numbers"] == {"n_onsets": 18}


def test_nothing_accepted_is_an_error_and_writes_nothing(engraved, tmp_path):
    with pytest.raises(SfpipeError, match=r"not one piece was accepted .*at least 500"):
        clean(CleanParams(min_onsets=500), engraved, tmp_path / "toy.json")
    assert not (tmp_path / "toy.json").exists()


@pytest.mark.parametrize("text", [None, "", "{}", '{"done": 3, "skipped": {}}'])
def test_without_a_report_of_engrave(engraved, tmp_path, text):
    (engraved / "report.json").unlink()
    if text is not None:
        (engraved / "report.json").write_text(text)
    with pytest.raises(SfpipeError, match=r"report\.json: .*-> run: sfpipe engrave"):
        clean(PARAMS, engraved, tmp_path / "toy.json")


def test_all_tunes_of_the_toy_are_there(toy):
    assert {p.name for p in toy[1].iterdir() if p.is_dir()} == set(TUNES)
