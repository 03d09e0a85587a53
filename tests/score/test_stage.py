import json
import shutil
from importlib.metadata import version as version_of

import numpy as np
import pytest

from sfpipe.cleaning.stage import clean
from sfpipe.engraving.files import read_noteheads
from sfpipe.engraving.verovio.toolkit import verovio_version
from sfpipe.errors import SfpipeError
from sfpipe.params import CleanParams, ScoresParams
from sfpipe.score.stage import scores
from sfpipe.store.reader import describe, read_scores

SKIPPED = {18: 3, 20: 2, 24: 0}  # of the four tunes, by the height of the strip in px


@pytest.fixture
def cleaned(toy, tmp_path):
    shutil.copytree(toy[1], tmp_path / "engraved")
    clean(CleanParams(min_onsets=8), tmp_path / "engraved", tmp_path / "clean.json")
    return tmp_path / "clean.json", tmp_path / "engraved"


def test_the_store_holds_strips_whose_onsets_lie_on_ink(cleaned, tmp_path):
    report = scores(ScoresParams(), *cleaned, tmp_path / "toy.h5", dataset="toy")
    assert report.done == ["chords", "plain", "rich", "waltz"] and report.skipped == {}
    for piece, record in read_scores(tmp_path / "toy.h5").items():
        assert record.strip.shape[0] == 40 and record.staff_space_px == 3.5
        assert len(record.onset_x_px) == len(read_noteheads(cleaned[1] / piece).onsets())
        assert (np.diff(record.onset_x_px) > 0).all()
        assert (np.diff(record.onset_quarter) > 0).all()
        columns = np.rint(record.onset_x_px).astype(int)
        rows = np.rint(record.onset_y_px).astype(int)
        # Hollow heads have their ink beside the centre.
        around = [
            record.strip[r - 2 : r + 3, c - 2 : c + 3].min()
            for r, c in zip(rows, columns, strict=True)
        ]
        assert max(around) < 128 and np.median(record.strip[rows, columns]) < 60
        staff = 255 - np.median(record.strip, axis=1)
        assert np.average(np.arange(40), weights=staff) == pytest.approx(20, abs=0.1)


def test_the_store_names_its_parameters_and_what_engraved_its_pieces(cleaned, tmp_path):
    for piece, version in (("rich", "2.24.3"), ("plain", "2.24.1")):
        path = cleaned[1] / piece / "engraving.json"
        own = {"engine": "lilypond", "version": version, "staves": [1]}
        path.write_text(json.dumps(json.loads(path.read_text()) | own))
    scores(ScoresParams(height_px=48), *cleaned, tmp_path / "toy.h5", dataset="toy")
    about = describe(tmp_path / "toy.h5")
    assert about["params"] == {"height_px": 48}
    assert about["tools"] == {
        "sfpipe": version_of("sfpipe"),
        "verovio": verovio_version(),
        "lilypond": "2.24.1, 2.24.3",
    }


def test_a_bad_piece_is_skipped_and_recorded(cleaned, tmp_path):
    (cleaned[1] / "rich" / "system-001.png").write_bytes(b"")
    report = scores(ScoresParams(), *cleaned, tmp_path / "toy.h5", dataset="toy")
    assert list(report.skipped) == ["rich"] and len(report.done) == 3
    assert "system-001.png" in json.dumps(describe(tmp_path / "toy.h5"), default=str)


def test_a_strip_too_low_for_the_notes(cleaned, tmp_path):
    report = scores(ScoresParams(height_px=17), *cleaned, tmp_path / "toy.h5", dataset="toy")
    assert "above or below the strip of 17 px" in report.skipped["plain"]


@pytest.mark.parametrize("height", [18, 20, 24])
def test_clean_accepts_what_can_be_unrolled_and_rejects_the_rest(cleaned, tmp_path, height):
    skipped = scores(
        ScoresParams(height_px=height), *cleaned, tmp_path / "toy.h5", dataset="toy"
    ).skipped
    judged = clean(CleanParams(min_onsets=8), cleaned[1], tmp_path / "clean.json", height_px=height)
    rejected = {piece: entry["reason"] for piece, entry in judged["rejected"].items()}
    assert rejected == skipped and len(skipped) == SKIPPED[height]


def test_nothing_to_unroll_leaves_no_store(cleaned, tmp_path):
    shutil.rmtree(cleaned[1])
    with pytest.raises(SfpipeError, match="not one piece could be unrolled"):
        scores(ScoresParams(), *cleaned, tmp_path / "toy.h5", dataset="toy")
    assert not (tmp_path / "toy.h5").exists()


@pytest.mark.parametrize("text", [None, "", "[]", '{"accepted": 1}'])
def test_without_the_verdict_of_clean(cleaned, tmp_path, text):
    cleaned[0].unlink()
    if text is not None:
        cleaned[0].write_text(text)
    with pytest.raises(SfpipeError, match=r"clean\.json: .*-> run: sfpipe clean"):
        scores(ScoresParams(), *cleaned, tmp_path / "toy.h5", dataset="toy")


def test_a_store_that_cannot_be_written(cleaned, tmp_path):
    (tmp_path / "file").write_text("a file where a folder should be")
    with pytest.raises(SfpipeError, match="cannot be written"):
        scores(ScoresParams(), *cleaned, tmp_path / "file" / "toy.h5", dataset="toy")
