"""Colours of attributions."""

import numpy as np

from sfpipe.inspection.saliency import AGAINST, FOR, full_colour, overlay


def test_red_for_blue_against_grey_for_nothing():
    plane = np.array([[0.0, 1.0, 0.5]])
    picture = overlay(plane, np.array([[2.0, -2.0, 0.0]]), top=1.0)
    np.testing.assert_allclose(picture[0, 0], FOR)
    np.testing.assert_allclose(picture[0, 1], AGAINST)
    assert len(set(picture[0, 2])) == 1  # grey
    assert picture[0, 2, 0] < 1


def test_paper_without_attribution_stays_white():
    assert (overlay(np.zeros((2, 3)), np.zeros((2, 3)), top=0.0) == 1).all()


def test_full_colour_ignores_a_single_pixel():
    plane = np.zeros(10_000)
    plane[:100], plane[0] = 1.0, 50.0
    assert full_colour(plane) == 1.0
