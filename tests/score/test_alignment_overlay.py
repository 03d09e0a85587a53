import cv2
import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.score.alignment_overlay import GAP, RING, ROW_PX, ZOOM, draw_alignment, show_alignment
from sfpipe.store.writer import write_scores


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "toy.h5"
    with write_scores(path, dataset="toy", params={}, tools={}) as writer:
        for name in ("alpha", "beta", "gamma"):
            writer.add(
                name,
                split="train",
                strip=np.full((40, 1100), 255, np.uint8),
                onset_x_px=[10.0, 600.0],
                onset_y_px=[20.0, 20.0],
                onset_quarter=[0.0, 1.0],
                staff_space_px=3.5,
                px_per_cm=28.3,
            )
    return path


def test_a_long_strip_is_wrapped_and_every_onset_is_ringed():
    strip = np.full((40, 1100), 255, np.uint8)
    picture = draw_alignment(strip, np.array([10.0, 600.0]), np.array([20.0, 12.0]))
    assert picture.shape == (3 * 40 * ZOOM + 2 * GAP, ROW_PX * ZOOM, 3)
    red = picture.astype(int) @ np.array([-1, -1, 2])  # high on the rings only
    rows, columns = np.nonzero(red > RING[2])
    second = rows > 40 * ZOOM
    assert columns[~second].mean() == pytest.approx(10.5 * ZOOM, abs=1)
    assert rows[~second].mean() == pytest.approx(20.5 * ZOOM, abs=1)
    assert columns[second].mean() == pytest.approx(100.5 * ZOOM, abs=1)
    assert rows[second].mean() == pytest.approx(40 * ZOOM + GAP + 12.5 * ZOOM, abs=1)


def test_named_and_random_pieces(store, tmp_path):
    written = show_alignment(store, tmp_path / "out", pieces=["beta"], n_random=9, seed=0)
    assert [p.name for p in written] == ["beta.png"]
    assert cv2.imread(str(written[0])) is not None
    draws = [
        show_alignment(store, tmp_path / "out", pieces=None, n_random=2, seed=s) for s in (1, 1, 2)
    ]
    assert draws[0] == draws[1] and len(draws[0]) == 2
    assert len(show_alignment(store, tmp_path / "out", pieces=None, n_random=9, seed=0)) == 3


def test_a_piece_that_is_not_there_and_a_store_that_is_none(store, tmp_path):
    with pytest.raises(SfpipeError, match="has no piece 'gama' -> did you mean 'gamma'"):
        show_alignment(store, tmp_path, pieces=["gama"], n_random=1, seed=0)
    with pytest.raises(SfpipeError, match=r"none\.h5: no such file"):
        show_alignment(tmp_path / "none.h5", tmp_path, pieces=None, n_random=1, seed=0)
