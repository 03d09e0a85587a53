"""Staves -> systems: those that a vertical line joins are played together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from sfpipe.pages.staff_lines import StaffCurve

AT_WORK = 8.0  # px of staff space at which vertical lines are looked for
FARTHEST = 25.0  # staff spaces between two staves of a system
SLANTS = (-0.04, -0.02, 0.0, 0.02, 0.04)  # of vertical lines, px aside per px downwards
ROWS = 12  # of the gap between two staves that are looked at
MEAN = 0.12  # of the gap, of which the darkness is averaged
DARK = 0.27  # of a vertical line
BARS = 2  # vertical lines that join two staves if none is at their left ends
BRACE = 1.8  # staff spaces from a brace to the line right of it
MISSED = 6.0  # staff spaces of a staff's end that may not have been found
FAR = 20.0  # staff spaces that noise may go on beyond a staff
AT_LEFT = 1.5  # staff spaces
CLEF = 4.5  # staff spaces that a clef is wide at most
TOUCHING = 0.3  # staff spaces from a clef to the column behind which its lines are seen
AWAY = 0.6  # staff spaces from a clef to the lines' end, or between parts of it
CLEF_INK = 0.1  # darkness (0-1) of a clef's columns above that of the paper
STAFF_ROWS = 33  # of a staff that are looked at
BEYOND = 2.0  # staff spaces outside of the margin
SLOPE = 0.15  # of a margin, px aside per px downwards
AGREEING = 3  # systems that make a margin


def group_staves(grey: np.ndarray, staves: Sequence[StaffCurve]) -> list[list[StaffCurve]]:
    """Systems of staves, from above.

    Parameters
    ----------
    grey:
        uint8 [shape=(height, width)], level, paper white.
    staves:
        From above.
    """
    systems: list[list[StaffCurve]] = []
    for staff in staves:
        if systems and _joined(joining_lines(grey, systems[-1][-1], staff), systems[-1][-1], staff):
            systems[-1].append(staff)
        else:
            systems.append([staff])
    return _aligned(grey, systems)


def _aligned(grey: np.ndarray, systems: list[list[StaffCurve]]) -> list[list[StaffCurve]]:
    """The staves of a system begin and end together, and most systems of a page do.

    A system begins at the first line that joins its staves; a single staff where those of the
    page do, if its own end is near.
    """
    raw = np.array([[min(s.left for s in x), max(s.right for s in x)] for x in systems])
    rows = np.array([float(np.mean(staves[0].top)) for staves in systems])
    space = float(np.median([staff.space for staves in systems for staff in staves]))
    # What is found beyond the margin that the others keep is noise.
    usual = np.stack([_common_edge(rows, side, space) for side in raw.T], axis=1)
    outside = (usual - raw) * [1, -1] > BEYOND * space
    ends = np.where(outside, usual, raw)
    for i, staves in enumerate(systems):
        left = float(ends[i, 0])
        reach = FAR if left < np.median(ends[:, 0]) - BEYOND * space else MISSED
        ends[i, 0] = _beginning(grey, staves, left, reach)
    usual = np.stack([_common_edge(rows, side, space) for side in ends.T], axis=1)
    result = []
    for i, staves in enumerate(systems):
        reach = (BEYOND if len(staves) == 1 else 0) * space
        left, right = np.where(np.abs(ends[i] - usual[i]) < reach, usual[i], ends[i])
        result.append([staff.between(float(left), float(right)) for staff in staves])
    return result


def _beginning(grey: np.ndarray, staves: list[StaffCurve], left: float, reach: float) -> float:
    """Where a system begins whose staves were found from `left` on, at most `reach` spaces off."""
    space = staves[0].space
    if len(staves) > 1:
        lines = np.concatenate([joining_lines(grey, a, b) for a, b in pairwise(staves)])
        first = np.sort(lines[(lines > left - MISSED * space) & (lines < left + reach * space)])
        # A brace may be straight enough to be taken for the line that it stands beside.
        near = first[first - first.min(initial=np.inf) < BRACE * space]
        return float(near[-1]) if near.size else left
    if (dark := staves[0].dark) and left - MISSED * space < dark[0] < left:
        return dark[0]
    return _before_clef(grey, staves[0], left)


def _before_clef(grey: np.ndarray, staff: StaffCurve, left: float) -> float:
    """Where a staff begins whose faint lines seem to begin behind its clef."""
    space = staff.space
    columns = np.arange(max(left - 2 * CLEF * space, 0), left)
    if len(columns) < CLEF * space:
        return left
    before = staff.between(float(columns[0]), staff.right)
    top, bottom = before.rows(columns)
    rows = top + np.linspace(0, 1, STAFF_ROWS)[:, None] * (bottom - top)
    seen = grey[np.clip(np.round(rows).astype(int), 0, grey.shape[0] - 1), columns.astype(int)]
    dark = cv2.blur((255.0 - seen.mean(axis=0))[None] / 255, (max(round(0.5 * space), 1), 1))[0]
    ink = np.flatnonzero(dark > np.quantile(dark, 0.2) + CLEF_INK)[::-1]
    gaps = -np.diff(ink, prepend=len(columns)) / space
    # A name stands further away from the lines, and its letters near to each other.
    ended = gaps > np.where(np.arange(len(ink)) == 0, TOUCHING, AWAY)
    run = ink[: int(np.argmax(ended)) if ended.any() else len(ink)]
    width = (len(columns) - run[-1]) / space if len(run) else 0.0
    return float(columns[run[-1]]) - AWAY * space if 1 < width < CLEF else left


def _common_edge(rows: np.ndarray, ends: np.ndarray, space: float) -> np.ndarray:
    """Ends of most systems as a straight line down the page, at all rows; NaN if there is none."""
    best = np.zeros(len(rows), bool)
    for i, j in zip(*np.triu_indices(len(rows), 1), strict=True):
        slope = (ends[j] - ends[i]) / max(rows[j] - rows[i], 1)
        agree = np.abs(ends - ends[i] - slope * (rows - rows[i])) < space
        if abs(slope) < SLOPE and agree.sum() > best.sum():
            best = agree
    if best.sum() < max(AGREEING, 0.5 * len(rows)):
        return np.full(len(rows), np.nan)
    return np.polyval(np.polyfit(rows[best], ends[best], 1), rows)


def _joined(lines: np.ndarray, upper: StaffCurve, lower: StaffCurve) -> bool:
    space = (upper.space + lower.space) / 2
    left = min(upper.left, lower.left)
    at_left = bool(len(lines)) and bool((lines - left).min() < AT_LEFT * space)
    return at_left or len(lines) >= BARS


def joining_lines(grey: np.ndarray, upper: StaffCurve, lower: StaffCurve) -> np.ndarray:
    """Columns of the vertical lines that go through the whole gap between two staves."""
    space = (upper.space + lower.space) / 2
    left = min(upper.left, lower.left) - MISSED * space
    right = max(upper.right, lower.right) + space
    overlap = min(upper.right, lower.right) - max(upper.left, lower.left)
    first, last = max(int(left), 0), min(int(right) + 1, grey.shape[1])
    columns = np.arange(first, last, dtype=float)
    top, bottom = upper.rows(columns)[1], lower.rows(columns)[0]
    if overlap < 4 * space or np.median(bottom - top) > FARTHEST * space:
        return np.zeros(0)
    above, below = max(int(top.min()), 0), min(int(bottom.max()) + 2, grey.shape[0])
    scale = min(AT_WORK / space, 1.0)
    part = grey[above:below, first:last]
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    # Means along the line, so that noise is none; a pixel aside, for lines between two pixels.
    gap = float(np.median(bottom - top)) * scale
    dark = cv2.blur((255 - small).astype(np.float32) / 255, (1, max(round(gap * MEAN), 1)))
    dark = cv2.dilate(dark, np.ones((1, 3), np.uint8))
    fx, fy = small.shape[1] / part.shape[1], small.shape[0] / part.shape[0]
    at = np.arange(small.shape[1], dtype=np.float32)
    near = np.clip(np.round(at / fx).astype(int), 0, len(columns) - 1)
    upper_rows, lower_rows = (top[near] - above) * fy, (bottom[near] - above) * fy
    # A little off the staff lines themselves.
    share = np.linspace(0.08, 0.92, ROWS)[:, None]
    rows = (upper_rows + share * (lower_rows - upper_rows)).astype(np.float32)
    best = np.zeros(len(at), bool)
    for slant in SLANTS:
        x = at + slant * (rows - rows.mean(axis=0))
        seen = cv2.remap(dark, x.astype(np.float32), rows, cv2.INTER_LINEAR)
        through = seen.min(axis=0) > DARK
        if _starts(through).sum() > _starts(best).sum():
            best = through
    return first + at[_starts(best)] / fx


def _starts(flags: np.ndarray) -> np.ndarray:
    return flags & ~np.concatenate([[False], flags[:-1]])
