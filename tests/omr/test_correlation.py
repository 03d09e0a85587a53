"""The compiled loop gives the correlations that OpenCV gives, at the places with enough ink."""

import cv2
import numpy as np
import pytest

from sfpipe.omr.correlation import COVERED, SHIFT, score_places


@pytest.fixture
def picture():
    dark = cv2.GaussianBlur(np.random.default_rng(3).random((30, 90), np.float32), (0, 0), 1.5)
    dark = ((dark - dark.min()) / (dark.max() - dark.min())) ** 3
    dark[8:17, 40:52] = np.clip(3 * dark[8:17, 40:52], 0, 1)
    return dark


def test_as_opencv_where_there_is_ink(picture):
    part = picture[8:17, 40:52].copy()  # found again at column 40, row 8
    flat = part - part.mean()
    flat /= np.linalg.norm(flat)
    kernel = part[2:7, 3:9] / float((part[2:7, 3:9] ** 2).sum())
    sums = cv2.integral(picture, sdepth=cv2.CV_64F)
    best = score_places(picture, sums, kernel, flat, 8 - SHIFT, 10, 3)
    rows = slice(8 - SHIFT, 8 + SHIFT + len(part))
    seen = cv2.matchTemplate(picture[rows], part, cv2.TM_CCOEFF_NORMED).max(axis=0)
    cover = cv2.matchTemplate(picture[10 - SHIFT : 15 + SHIFT], kernel, cv2.TM_CCORR).max(axis=0)
    expected = np.where(cover[3 : 3 + len(seen)] > COVERED, seen, -1)
    assert (expected > -1).any() and (expected == -1).any()
    np.testing.assert_allclose(best[: len(seen)], expected, atol=1e-4)
    assert best.argmax() == 40 and best.max() == pytest.approx(1, abs=1e-4)


def test_blank_paper_is_not_compared(picture):
    blank = np.zeros_like(picture)
    sums = cv2.integral(blank, sdepth=cv2.CV_64F)
    kernel = np.full((3, 3), 1 / 9, np.float32)
    flat = picture[:5, :5] - picture[:5, :5].mean()
    assert (score_places(blank, sums, kernel, flat, 4, 6, 1) == -1).all()
