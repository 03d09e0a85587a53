"""Note heads in score stores: there where they are known, and refused where they are none."""

import h5py
import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.store.heads import Heads
from sfpipe.store.reader import read_scores
from sfpipe.store.schema import HEAD_DATASETS
from tests.store.test_stores import score, scores_file

HEADS = {"onset": [0, 1, 1, 2], "y_px": [20.1, -3, 24, 18], "pitch": [60, 62, 65, 127]}


def test_note_heads_come_back_where_there_are_any(tmp_path):
    pieces = {"a": score(), "b": score(heads=Heads(**HEADS))}
    found = read_scores(scores_file(tmp_path, pieces))
    assert found["a"].heads is None
    heads = found["b"].heads
    assert heads.y_px.tolist() == [20, -3, 24, 18]  # to a quarter of a px
    assert (heads.onset.tolist(), heads.pitch.tolist()) == (HEADS["onset"], HEADS["pitch"])
    with h5py.File(tmp_path / "scores.h5") as file:
        kept = {name: str(file["b"][name].dtype) for name in HEAD_DATASETS}
    assert kept == {name: dtype for name, (_, dtype, _) in HEAD_DATASETS.items()}
    which, head = heads.of_onsets(np.array([1, 0, 1]))
    assert (which.tolist(), head.tolist()) == ([0, 0, 1, 2, 2], [1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"pitch": [60, 62, 65]}, "differ in length"),
        ({"onset": [0, 2, 1, 2]}, "not decreasing"),
        ({"onset": [0, 1, 1, 1]}, "not those of 3 onsets"),
        ({"pitch": [60, 62, 65, 128]}, "from 0 to 127"),
        ({"y_px": [1, 2, np.nan, 3]}, "head_y_px holds NaN"),
    ],
)
def test_note_heads_that_are_none(tmp_path, changes, what):
    with pytest.raises(SfpipeError, match=f"a: .*{what}"):
        scores_file(tmp_path, {"a": score(heads=Heads(**HEADS | changes))})
