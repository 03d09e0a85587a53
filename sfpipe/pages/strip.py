"""Systems on a page -> the strip that an agent reads: lines straight, of one size, in one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sfpipe.pages.page_set import PageSystem
from sfpipe.pages.staff_lines import StaffCurve

PAPER = 255
KNOTS = 2.0  # staff spaces between two columns whose places on the page are known exactly
OVERSAMPLING = 2
ODD = 0.05  # share by which staves of another size differ from those of their page
CUTS = np.linspace(0.2, 0.8, 25)  # of the gap between two systems, where they may be parted


@dataclass(frozen=True)
class Straightened:
    """One system: its place, and its part of the strip, uint8 [shape=(height, width)]."""

    system: PageSystem
    image: np.ndarray


def straighten(
    grey: np.ndarray,
    page: int,
    systems: Sequence[Sequence[StaffCurve]],
    size: tuple[int, float],
    start: int = 0,
) -> list[Straightened]:
    """Cut the systems of a page, straight and at one size.

    Parameters
    ----------
    grey:
        uint8 [shape=(height, width)], level, paper white.
    page:
        Its index.
    systems:
        Of the staves that are to be read, from above.
    size:
        Height of the strip and its staff space, px.
    start:
        Column of the strip at which the first system begins.
    """
    result = []
    plane = _spaces([staff for staves in systems for staff in staves])
    for i, staves in enumerate(systems):
        system = _place(page, staves, size, start, plane)
        above = _between(grey, systems[i - 1][-1], staves[0]) if i else None
        below = _between(grey, staves[-1], systems[i + 1][0]) if i + 1 < len(systems) else None
        result.append(Straightened(system, _cut(grey, system, size, above, below)))
        start = round(system.strip_end)
    return result


def _spaces(staves: Sequence[StaffCurve]) -> np.ndarray:
    """Staff space all over a page as (a, b, c) of a + b x + c y: surer than of single staves."""
    rows = [
        np.stack([np.ones(len(s.x)), s.x, (s.top + s.bottom) / 2, (s.bottom - s.top) / 4], 1)
        for s in staves
    ]
    values = np.concatenate(rows)
    scale = np.maximum(np.abs(values[:, :3]).max(axis=0), 1)
    weight = np.ones(len(values))
    for _ in range(5):
        left = values[:, :3] / scale * weight[:, None]
        plane = np.linalg.lstsq(left, values[:, 3] * weight, rcond=None)[0] / scale
        residual = np.abs(values[:, 3] - values[:, :3] @ plane)
        weight = 1 / np.sqrt(np.maximum(residual, 0.005 * values[:, 3].mean()))
    return plane


def _place(
    page: int,
    staves: Sequence[StaffCurve],
    size: tuple[int, float],
    start: int,
    plane: np.ndarray,
) -> PageSystem:
    height, target = size
    left = float(np.median([s.left for s in staves]))
    right = float(np.median([s.right for s in staves]))
    space = float(np.mean([s.space for s in staves]))
    x = np.linspace(left, right, max(round((right - left) / (KNOTS * space)), 1) + 1)
    lines = [line for staff in staves for line in staff.rows(x)]
    spaces = np.mean([b - a for a, b in zip(lines[0::2], lines[1::2], strict=True)], axis=0) / 4
    middle = np.mean(lines, axis=0)
    expected = plane[0] + plane[1] * x + plane[2] * middle
    if abs(np.median(spaces / expected) - 1) < ODD:
        spaces = expected
    # Along the lines, which may rise. What is twice as far away is seen half as high, and a
    # quarter as wide: once for the distance and once for the slant.
    lengths, sizes = np.hypot(np.diff(x), np.diff(middle)), (spaces[1:] + spaces[:-1]) / 2
    steps = lengths / sizes**2 * ((lengths / sizes).sum() / (lengths / sizes**2).sum())
    along = np.concatenate([[0.0], np.cumsum(steps * target)])
    width = max(round(along[-1]), 1)
    along *= width / along[-1]
    rows = [0.0]
    for n in range(1, len(lines)):
        gap = float(np.median((lines[n] - lines[n - 1]) / spaces)) * target
        rows.append(rows[-1] + (4 * target if n % 2 else max(round(gap), target)))
    # A line at the middle of a pixel, as engraved.
    strip_y = np.array(rows) + round(height / 2 - rows[-1] / 2)
    mesh = np.stack([np.tile(x, (len(lines), 1)), np.array(lines)], axis=-1)
    return PageSystem(
        page=page,
        left=left,
        right=right,
        top=float(lines[0].min()),
        bottom=float(lines[-1].max()),
        strip_start=float(start),
        strip_end=float(start + width),
        strip_x=start + along,
        strip_y=strip_y,
        mesh=mesh,
    )


def _cut(
    grey: np.ndarray,
    system: PageSystem,
    size: tuple[int, float],
    above: np.ndarray | None,
    below: np.ndarray | None,
) -> np.ndarray:
    """A system's part of the strip, without what belongs to its neighbours."""
    height, target = size
    scale = min(OVERSAMPLING * target / system.staff_space, 1.0)
    small = grey
    if scale < 1:
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    fx, fy = small.shape[1] / grey.shape[1], small.shape[0] / grey.shape[0]
    width = round(system.strip_end - system.strip_start)
    columns = (np.arange(width * OVERSAMPLING) + 0.5) / OVERSAMPLING - 0.5
    rows = (np.arange(height * OVERSAMPLING) + 0.5) / OVERSAMPLING - 0.5
    x, y = page_grid(system, system.strip_start + columns, rows)
    fine = cv2.remap(
        small,
        ((x + 0.5) * fx - 0.5).astype(np.float32),
        ((y + 0.5) * fy - 0.5).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=PAPER,
    )
    page_columns = np.arange(grey.shape[1])
    if above is not None:
        fine[y < np.interp(x, page_columns, above)] = PAPER
    if below is not None:
        fine[y > np.interp(x, page_columns, below)] = PAPER
    return cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)


def page_grid(
    system: PageSystem, strip_x: np.ndarray, strip_y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where columns and rows of the strip are on the page: x and y [shape=(n_rows, n_columns)]."""
    weights = _weights(system.strip_y, strip_y)
    columns = _weights(system.strip_x, strip_x)
    x, y = (weights @ system.mesh[:, :, i] @ columns.T for i in range(2))
    return x, y


def _weights(known: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Matrix of linear interpolation, beyond the ends extrapolation: [shape=(n_at, n_known)]."""
    left = np.clip(np.searchsorted(known, at) - 1, 0, len(known) - 2)
    share = (at - known[left]) / (known[left + 1] - known[left])
    result = np.zeros((len(at), len(known)))
    rows = np.arange(len(at))
    result[rows, left] = 1 - share
    result[rows, left + 1] += share
    return result


def _between(grey: np.ndarray, upper: StaffCurve, lower: StaffCurve) -> np.ndarray:
    """Row in each column of the page at which two systems are parted: where least ink is."""
    columns = np.arange(grey.shape[1])
    bottom, top = upper.rows(columns)[1], lower.rows(columns)[0]
    first, last = int(min(upper.left, lower.left)), int(max(upper.right, lower.right)) + 1
    inside = slice(max(first, 0), min(last, grey.shape[1]))
    ink = []
    for cut in CUTS:
        rows = np.round(bottom + cut * (top - bottom)).astype(int)
        line = grey[np.clip(rows, 0, grey.shape[0] - 1)[inside], columns[inside]]
        ink.append((255.0 - line).sum())
    # Of several empty rows the middle one.
    cost = np.array(ink) / 255 + 1.0 * np.abs(CUTS - 0.5)
    return bottom + CUTS[int(cost.argmin())] * (top - bottom)
