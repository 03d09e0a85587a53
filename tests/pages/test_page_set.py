"""Maps between the strip and the pages, by hand and as each other's inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfpipe.errors import SfpipeError
from sfpipe.pages.page_set import Page, PagePoint, PageSet, PageSystem
from tests.pages.straight import straight_system

ROWS = (86.0, 114.0)  # of the strip: a staff of 28 px


def two_systems() -> PageSet:
    """Staff space 10 px on the page, 7 px in the strip; a page of two systems, 700 px each."""
    systems = (
        straight_system(0, [(100, 140)], (50, 1050), (0, 700, ROWS)),
        straight_system(0, [(300, 340)], (50, 1050), (700, 1400, ROWS)),
    )
    strip = np.full((200, 1400), 255, np.uint8)
    return PageSet((Page(1100, 600, 1),), systems, strip, 2, 7.0, 30.0)


def test_columns_of_the_strip_on_the_page():
    pages = two_systems()
    assert pages.to_page(70) == PagePoint(0, 150, 100, 140)
    assert pages.to_page(770) == PagePoint(0, 150, 300, 340)
    assert pages.to_page(-5) == PagePoint(0, 50, 100, 140)
    assert pages.to_page(2000) == PagePoint(0, 1050, 300, 340)


def test_points_of_the_page_in_the_strip():
    pages = two_systems()
    assert pages.to_strip(0, 150, 120) == pytest.approx(70)
    assert pages.to_strip(0, 150, 205) == pytest.approx(70)  # nearer to the first system
    assert pages.to_strip(0, 150, 235) == pytest.approx(770)
    assert pages.to_strip(0, 40, 120) == 0  # 1 staff space left of the system
    assert pages.to_strip(0, 20, 120) is None
    assert pages.to_strip(0, 150, 500) is None
    assert pages.to_strip(1, 150, 120) is None


def test_lines_of_the_staves():
    staff = two_systems().systems[0].staves[0]
    np.testing.assert_allclose(staff, np.tile([[100], [110], [120], [130], [140]], 2))
    assert two_systems().systems[0].staff_space == 10


def test_an_agent_by_the_number_of_staves():
    assert two_systems().agent == "msmd-belief"
    assert two_systems().score_record().onset_x_px.tolist() == [30.0]


def test_a_set_without_systems_is_none():
    with pytest.raises(SfpipeError, match=r"tune.pdf: has no systems"):
        PageSet((Page(10, 10, 1),), (), np.zeros((40, 1), np.uint8), 1, 3.5, 0.0, "tune.pdf")


def bent(angle: float, bend: float) -> PageSystem:
    """Two staves, turned about the page's corner and bent like an opened book."""
    knots = np.linspace(0, 700, 15)
    x, rows = np.meshgrid(50 + knots * 10 / 7, [100.0, 140.0, 190.0, 230.0])
    y = rows + bend * ((x - 550) / 500) ** 2
    mesh = np.stack([x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)])
    top, bottom = mesh[1].min(), mesh[1].max()
    strip_y = np.array([55.0, 83.0, 118.0, 146.0])
    return PageSystem(0, 50, 1050, top, bottom, 0, 700, knots, strip_y, mesh.transpose(1, 2, 0))


@given(st.floats(-0.05, 0.05), st.floats(-15, 15), st.floats(-20, 720), st.floats(20, 180))
def test_both_maps_are_inverse_on_bent_pages(angle, bend, x, y):
    system = bent(angle, bend)
    assert system.strip_point(*system.point(x, y)) == pytest.approx((x, y), abs=1e-3)
