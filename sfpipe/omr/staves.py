"""Where the staves of a strip are: staff space, lines, and the stretches between line breaks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sfpipe.errors import SfpipeError

LINES = 5
SPACES = LINES - 1
SMALLEST, LARGEST = 2.8, 10.0  # px of staff space looked for
CHUNK = 40  # px: columns looked at together
FAINTEST = 0.1  # darkness (0-1) of a line's darkest row
JOINING = 9.0  # staff spaces: what is longer and vertical joins the staves of a system
SAME_PX = 0.6  # staves whose lines differ less are the same


@dataclass(frozen=True)
class Staves:
    """Staves that stand over one another in columns [`left`, `right`) of a strip.

    `tops`: row of each staff's top line, px, from above; `space`: px between two lines.
    """

    left: int
    right: int
    tops: tuple[float, ...]
    space: float


def darkness(strip: np.ndarray) -> np.ndarray:
    """Ink of a strip, float32 [shape=(height, width)], 0 paper, 1 black."""
    return (255 - strip.astype(np.float32)) / 255


def find_staves(strip: np.ndarray) -> list[Staves]:
    """The stretches of a strip whose staff lines stay at the same rows, from left to right.

    Lines can only move where a line break was, and that is at a vertical line through all staves.

    Parameters
    ----------
    strip:
        uint8 [shape=(height, width)], paper 255; staff spaces of 2.8 to 10 px.

    Raises
    ------
    SfpipeError
        If there are no staff lines.
    """
    width = strip.shape[1]
    space = _staff_space(_profiles(strip, range(0, max(width - CHUNK, 0) + 1, CHUNK), CHUNK))
    cuts = _joining_lines(strip, space)
    edges = [0, *cuts, width]
    parts = [(a, b) for a, b in itertools.pairwise(edges) if b - a > 3 * space]
    found: list[Staves] = []
    for left, right in parts:
        tops = _tops(_profiles(strip, [left + 2], right - left - 3)[0], space)
        if tops:
            found.append(Staves(left, right, tops, space))
    if not found:
        raise SfpipeError("the image shows no staff lines")
    return _closed(found, width)


def _profiles(strip: np.ndarray, starts: Sequence[int], size: int) -> np.ndarray:
    """Of each chunk of columns and each row, the darkness that 4/5 of the columns have or exceed.

    Only what goes on through the chunk keeps any: the staff lines. float64 [shape=(chunks, rows)].
    """
    place = max(int(0.8 * min(size, strip.shape[1])) - 1, 0)
    chunks = [np.partition(strip[:, s : s + size], place, axis=1)[:, place] for s in starts]
    return 1 - np.stack(chunks) / 255


def _comb(profiles: np.ndarray, space: float) -> tuple[np.ndarray, np.ndarray]:
    """How well five lines from each row on fit: tops [shape=(n,)], fits [shape=(chunks, n)]."""
    tops = np.arange(0, profiles.shape[1] - 1 - SPACES * space, 0.25)
    lines = np.stack([_at(profiles, tops + i * space) for i in range(LINES)])
    gaps = np.stack([_at(profiles, tops + (i + 0.5) * space) for i in range(SPACES)])
    # The faintest line counts twice more: four lines and a beam are no staff.
    return tops, lines.sum(axis=0) + 2 * lines.min(axis=0) - 1.25 * gaps.sum(axis=0)


def _at(profiles: np.ndarray, where: np.ndarray) -> np.ndarray:
    left = np.clip(np.floor(where).astype(int), 0, profiles.shape[1] - 2)
    share = where - left
    return profiles[:, left] * (1 - share) + profiles[:, left + 1] * share


def _staff_space(profiles: np.ndarray) -> float:
    profiles = profiles[:: max(len(profiles) // 40, 1)]
    few = profiles[:: max(len(profiles) // 10, 1)]
    grid = np.arange(SMALLEST, LARGEST + 0.01, 0.1)
    best = max(grid, key=lambda s: _fit(few, s))
    return float(max(np.arange(best - 0.12, best + 0.121, 0.02), key=lambda s: _fit(profiles, s)))


def _fit(profiles: np.ndarray, space: float) -> float:
    _, fits = _comb(profiles, space)
    return float(np.mean(fits.max(axis=1))) if fits.size else -np.inf


def _joining_lines(strip: np.ndarray, space: float) -> list[int]:
    """Columns of the vertical lines that are longer than a staff with its neighbours."""
    ink = strip < 255 * 0.6
    run = np.zeros(strip.shape[1], int)
    longest = np.zeros(strip.shape[1], int)
    for row in ink:
        run = (run + 1) * row
        np.maximum(longest, run, out=longest)
    columns = np.flatnonzero(longest > JOINING * space)
    return [int(c) for c in columns if c - 1 not in set(columns.tolist())]


def _tops(profile: np.ndarray, space: float) -> tuple[float, ...]:
    """Top lines of the staves that a profile (darkness by row) shows, from above."""
    tops, fits = _comb(profile[None], space)
    fit = fits[0].copy()
    reach = round((SPACES + 1.5) * space / 0.25)
    merged: list[float] = []
    ceiling = max(0.5 * float(fit.max()), 4 * FAINTEST)
    while fit.max() > ceiling:
        best = int(fit.argmax())
        near = slice(max(best - 2, 0), best + 3)
        weights = np.clip(fits[0][near] - 0.7 * fits[0][best], 0, None)
        merged.append(float(np.average(tops[near], weights=weights)))
        fit[max(best - reach, 0) : best + reach + 1] = -np.inf
    return tuple(sorted(merged))


def _closed(parts: list[Staves], width: int) -> list[Staves]:
    """Equal neighbours joined (lines at their median rows), and no columns left out."""
    groups: list[list[Staves]] = [[parts[0]]]
    usual = int(np.median([len(part.tops) for part in parts]))
    for part in parts[1:]:
        last = groups[-1][-1]
        odd = len(part.tops) != usual and part.right - part.left < 40 * part.space
        if odd or _same(part, last):
            groups[-1].append(part if not odd else Staves(*_span(part), last.tops, last.space))
        else:
            groups.append([part])
    lefts = [0, *(group[0].left for group in groups[1:]), width]
    result = []
    for i, group in enumerate(groups):
        count = len(group[0].tops)
        rows = np.array([part.tops for part in group if len(part.tops) == count])
        tops = tuple(float(row) for row in np.median(rows, axis=0))
        result.append(Staves(lefts[i], lefts[i + 1], tops, group[0].space))
    return result


def _same(a: Staves, b: Staves) -> bool:
    return len(a.tops) == len(b.tops) and bool(np.allclose(a.tops, b.tops, atol=SAME_PX))


def _span(part: Staves) -> tuple[int, int]:
    return part.left, part.right
