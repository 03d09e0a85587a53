"""Piano music that LilyPond engraves now, read back."""

import json

import pytest

from sfpipe.engraving.files import read_noteheads
from sfpipe.evaluation.omr_accuracy import describe_reading, read_split, spread
from sfpipe.omr.accuracy import accuracy
from sfpipe.omr.reader import read_strip
from sfpipe.omr.truth import strip_truth
from sfpipe.params import OmrParams
from sfpipe.score.stage import unroll_piece
from sfpipe.store.writer import write_scores
from tests.engraving.lilypond.conftest import sources  # noqa: F401 (a fixture)

pytestmark = pytest.mark.xdist_group("lilypond")


@pytest.fixture(scope="module")
def piano(sources):  # noqa: F811 (pytest's way of asking for a fixture)
    folder = sources[1] / "piano"
    strip, about = unroll_piece(folder, None)
    return folder, strip, about


def test_two_staves_are_read(piano):
    folder, strip, about = piano
    truth = strip_truth(folder)
    assert len(truth.x_px) == (~read_noteheads(folder).grace).sum()
    shares = accuracy(read_strip(strip.image), truth, about["staff_space_px"]).shares()
    # Not read: seconds on both sides of a stem (2 heads), an octave bracket and notes that cross
    # into the other staff's clef (3 pitches).
    assert shares["recall"] > 0.9 and shares["precision"] == 1
    assert shares["pitch"] >= 0.85 and shares["order"] == 1


def test_heads_of_the_truth_lie_on_ink(piano):
    folder, strip, _ = piano
    truth = strip_truth(folder)
    ink = 255 - strip.image.astype(int)
    for x, y in zip(truth.x_px, truth.y_px, strict=True):
        assert ink[round(y) - 1 : round(y) + 2, round(x) - 3 : round(x) + 4].mean() > 80


def test_a_split_is_read_and_drawn(piano, tmp_path):
    folder, strip, about = piano
    store, out = tmp_path / "scores.h5", tmp_path / "omr.json"
    with write_scores(store, dataset="sources", params={}, tools={}) as file:
        for name, split in (("piano", "train"), ("other", "test")):
            file.add(
                name,
                split=split,
                title=name,
                strip=strip.image,
                onset_x_px=strip.onset_x_px[:2],
                onset_y_px=strip.onset_y_px[:2],
                onset_quarter=strip.onset_quarter[:2],
                staff_space_px=about["staff_space_px"],
                px_per_cm=about["px_per_cm"],
            )
    result = read_split(
        OmrParams(),
        store,
        folder.parent,
        out,
        dataset="sources",
        split="train",
        pictures=tmp_path / "pictures",
    )
    assert json.loads(out.read_text()) == result
    assert result["pieces"].keys() == {"piano"} and result["pieces_read"] == 1
    assert result["total"] == result["pieces"]["piano"] and result["total"]["recall"] >= 0.9
    assert (tmp_path / "pictures" / "piano.png").stat().st_size > 1000
    table = describe_reading(result).splitlines()
    assert table[-1].startswith("all") and f"{result['total']['recall']:.3f}" in table[-1]


def test_pieces_are_spread_evenly():
    names = [str(i) for i in range(10)]
    assert spread(names, 3) == ["0", "3", "6"]
    assert spread(names, None) == spread(names, 99) == names
