"""White paper and level lines: what uneven light and a turned page need first."""

from __future__ import annotations

import cv2
import numpy as np

from sfpipe.pages.profiles import chunk_means

PAPER = 255
SMALL = 240  # px: width at which the paper is looked at
WINDOW = 25  # px of it: the paper's grey is the median around, since most of a page is paper
CLEAN = 250  # a page whose paper is nowhere darker needs no correction
WHITE_SIGMAS = 0.7  # what differs less from paper than this times its noise is paper
STEEPEST = 8.0  # degrees
STEPS = (0.4, 0.1, 0.02)  # degrees, from coarse to fine


def whiten(grey: np.ndarray) -> np.ndarray:
    """The same page with white paper and black ink.

    Divided by the local median of the page: a maximum would leave the paper grey.

    Parameters
    ----------
    grey:
        uint8 [shape=(height, width)].

    Returns
    -------
    np.ndarray
        uint8 of the same shape; the same array if there is nothing to correct.
    """
    paper = _paper(grey)
    if paper.min() >= CLEAN:
        return grey
    size = grey.shape[1], grey.shape[0]
    light = cv2.resize(np.maximum(paper, 1), size, interpolation=cv2.INTER_LINEAR)
    even = cv2.divide(grey, light, scale=PAPER)
    sample = even[:: max(even.shape[0] // 600, 1), :: max(even.shape[1] // 600, 1)]
    values = sample.astype(np.float32)
    noise = 1.48 * float(np.median(np.abs(values - np.median(values))))
    white = max(PAPER - 6.0 - WHITE_SIGMAS * noise, 170.0)
    black = min(float(np.quantile(values, 0.005)), 110.0)
    levels = np.clip((np.arange(256) - black) / (white - black), 0, 1) * PAPER
    return cv2.LUT(even, np.round(levels).astype(np.uint8))


def _paper(grey: np.ndarray) -> np.ndarray:
    """Grey of the paper, uint8, in a small copy of the page."""
    step = max(grey.shape[1] // SMALL, 1)
    # Single pixels, not means: a mean of ink and paper is neither.
    few = np.ascontiguousarray(grey[step // 2 :: step, step // 2 :: step])
    return cv2.medianBlur(few, WINDOW)


def skew_degrees(grey: np.ndarray) -> float:
    """By how much the lines of a page fall to the right, degrees.

    Where the profile of all rows is sharpest: staff lines are the longest lines of a page.
    """
    scale = min(800 / grey.shape[1], 1.0)
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    profiles, at = chunk_means(small, 20)
    best, reach = 0.0, STEEPEST
    for step in STEPS:
        angles = np.arange(best - reach, best + reach + step / 2, step)
        best = float(max(angles, key=lambda a: _sharpness(profiles, at, a)))
        reach = step
    return best


def _sharpness(profiles: np.ndarray, at: np.ndarray, degrees: float) -> float:
    shifts = at * np.tan(np.radians(degrees))
    rows = np.arange(profiles.shape[1])
    total = np.zeros(len(rows))
    for profile, shift in zip(profiles, shifts - shifts.mean(), strict=True):
        total += np.interp(rows + shift, rows, profile)
    return float((np.diff(total) ** 2).sum())


def turning(size: tuple[int, int], degrees: float) -> tuple[np.ndarray, tuple[int, int]]:
    """The matrix [shape=(3, 3)] that turns a page level, and the (width, height) that it needs."""
    width, height = size
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    grown = int(np.ceil(width * cos + height * sin)), int(np.ceil(width * sin + height * cos))
    matrix[0, 2] += (grown[0] - width) / 2
    matrix[1, 2] += (grown[1] - height) / 2
    return np.vstack([matrix, [0, 0, 1]]), grown
