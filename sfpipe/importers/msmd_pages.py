"""A piece as the original MSMD keeps it (pages, systems, note heads), unrolled into a strip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sfpipe.errors import SfpipeError

HEIGHT_PX = 200  # of a strip: 100 px above and below the middle of each system, as in 2018
PAPER = 255
SAME_S = 1e-4  # onsets nearer than this are one


@dataclass(frozen=True)
class Box:
    """A system on a page (from 0); edges in px of the page image."""

    page: int
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Pages:
    """One piece.

    `images`: uint8 [shape=(height, width)] per page, paper 255. `systems` in reading order.
    `head_system`: int64 [shape=(n,)], place in `systems`; `head_x_px`, `head_y_px`: float64
    [shape=(n,)], centre of each note head on its page. `onset_s`: per performance, when each head
    is played, float64 [shape=(n,)] in s, NaN where it is not.
    """

    images: Sequence[np.ndarray]
    systems: Sequence[Box]
    head_system: np.ndarray
    head_x_px: np.ndarray
    head_y_px: np.ndarray
    onset_s: dict[str, np.ndarray]


@dataclass(frozen=True)
class UnrolledPages:
    """A strip and its onsets.

    `strip`: uint8 [shape=(200, width)]. `x_px`, `y_px`: float64 [shape=(n_onsets,)], px in the
    strip. `onset_s`: per performance, float64 [shape=(n_onsets,)], NaN where not played.
    """

    strip: np.ndarray
    x_px: np.ndarray
    y_px: np.ndarray
    onset_s: dict[str, np.ndarray]


def unroll_pages(pages: Pages, reference: str) -> UnrolledPages:
    """Put the systems side by side; an onset is at the median of its heads.

    Of heads that the original's alignment puts into several systems at one moment, those in the
    system with most of them count.

    Parameters
    ----------
    reference:
        The performance whose moments tell which heads are one onset.

    Raises
    ------
    SfpipeError
        If a system lies beside its page or no head is played.
    """
    parts, lefts, tops = [], [0], []
    for box in pages.systems:
        part, top = _cut(pages.images, box)
        parts.append(part)
        tops.append(top)
        lefts.append(lefts[-1] + part.shape[1])
    played = np.flatnonzero(np.isfinite(pages.onset_s[reference]))
    if len(played) == 0 or not parts:
        raise SfpipeError(f"no note head is aligned to {reference}")
    system = pages.head_system
    x = pages.head_x_px + np.array([lefts[s] - _left(pages.systems[s]) for s in system])
    y = pages.head_y_px - np.array([tops[s] for s in system])
    strip = np.hstack(parts)
    groups = [_one_system(g, system) for g in _moments(played, pages.onset_s[reference])]
    return UnrolledPages(
        strip,
        np.clip([np.median(x[g]) for g in groups], 0, strip.shape[1] - 1),
        np.clip([np.median(y[g]) for g in groups], 0, HEIGHT_PX - 1),
        {
            name: np.array([_first(seconds[g]) for g in groups])
            for name, seconds in pages.onset_s.items()
        },
    )


def _left(box: Box) -> int:
    return max(int(box.left), 0)


def _cut(images: Sequence[np.ndarray], box: Box) -> tuple[np.ndarray, int]:
    """The system's part of the strip and the page row of its top; paper beyond the page."""
    if not 0 <= box.page < len(images):
        raise SfpipeError(f"a system is on page {box.page + 1}, there are {len(images)}")
    image = images[box.page]
    top = int(box.top + box.bottom) // 2 - HEIGHT_PX // 2
    left, right = _left(box), min(int(box.right), image.shape[1])
    first, last = max(top, 0), min(top + HEIGHT_PX, image.shape[0])
    if left >= right or first >= last:
        raise SfpipeError(f"a system lies beside page {box.page + 1}")
    part = np.full((HEIGHT_PX, right - left), PAPER, np.uint8)
    part[first - top : last - top] = image[first:last, left:right]
    return part, top


def _moments(heads: np.ndarray, seconds: np.ndarray) -> list[np.ndarray]:
    """Heads in the order in which they are played, in groups that are played together."""
    order = heads[np.argsort(seconds[heads], kind="stable")]
    breaks = np.flatnonzero(np.diff(seconds[order]) > SAME_S) + 1
    return np.split(order, breaks)


def _one_system(heads: np.ndarray, system: np.ndarray) -> np.ndarray:
    systems, count = np.unique(system[heads], return_counts=True)
    return heads[system[heads] == systems[np.argmax(count)]]


def _first(seconds: np.ndarray) -> float:
    finite = seconds[np.isfinite(seconds)]
    return float(finite.min()) if len(finite) else float("nan")
