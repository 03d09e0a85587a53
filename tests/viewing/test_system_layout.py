from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfpipe.viewing.system_layout import Sheet, SheetRow, breaks, sheet
from tests.viewing.conftest import ONSET_S, STRIP_X, WIDTHS, X, Y


def test_systems_of_the_engraving(shown):
    music = sheet(shown)
    assert [(row.x_px, row.image.shape) for row in music.rows] == [
        (0, (28, WIDTHS[0])),
        (WIDTHS[0], (28, WIDTHS[1])),
    ]
    assert [h.row for h in music.heads] == [0] * 8 + [1] * 8
    np.testing.assert_allclose([h.x_px for h in music.heads], X)
    np.testing.assert_allclose([h.y_px for h in music.heads], Y - 6)
    np.testing.assert_allclose([h.time_s for h in music.heads], ONSET_S)
    for head, row in zip(music.heads, [0] * 8 + [1] * 8, strict=True):
        place = music.rows[row].image[int(head.y_px), int(head.x_px)]
        assert place == 0  # there is a head


def test_without_engraving_the_strip_is_the_page(shown):
    for other in (None, shown.folder):
        if other is not None:  # an engraving that the store was not made from
            (other / "system-1.png").write_bytes((other / "system-0.png").read_bytes())
        object.__setattr__(shown, "folder", other)
        music = sheet(shown)
        assert len(music.rows) == 1 and music.rows[0].image.shape == (28, sum(WIDTHS))
        np.testing.assert_allclose([h.x_px for h in music.heads], STRIP_X)
        object.__setattr__(shown, "folder", shown.folder)


def test_lines_end_after_bar_lines():
    image = np.full((40, 1000), 255, np.uint8)
    image[13:30:4] = 0
    for bar in range(90, 1000, 100):
        image[13:30, bar] = 0
    heads = np.arange(10.0, 1000, 25)
    lines = breaks(image, heads, 300, 4.0)
    assert lines == [(0, 291), (291, 591), (591, 891), (891, 1000)]
    assert all(image[20, end - 1] == 0 for _, end in lines[:-1])


@given(
    width=st.integers(10, 3000),
    length=st.integers(60, 500),
    seed=st.integers(0, 99),
)
def test_lines_are_the_whole_and_cut_no_head(width, length, seed):
    rng = np.random.default_rng(seed)
    image = np.full((40, width), 255, np.uint8)
    heads = np.cumsum(rng.uniform(20, 60, width // 30))
    lines = breaks(image, heads, length, 4.0)
    assert lines[0][0] == 0 and lines[-1][1] == width
    for (_, end), (first, _) in pairwise(lines):
        assert end == first
        assert np.abs(heads - end).min(initial=99) >= 3
    assert all(0 < end - first <= 1.1 * length + 1 for first, end in lines)


@given(st.floats(-100, 1000))
def test_locate(x):
    music = Sheet([SheetRow(np.zeros((9, w)), s) for s, w in ((0, 100), (100, 50), (150, 200))], [])
    row, inside = music.locate(x)
    assert 0 <= inside <= music.rows[row].image.shape[1]
    if 0 <= x < 350:
        assert music.rows[row].x_px + inside == pytest.approx(x)
        assert inside < music.rows[row].image.shape[1] or inside == 0
