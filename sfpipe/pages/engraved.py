"""Pages whose engraver says what is where -> `PageSet`: one drawing, so the maps are exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.notation.playback import TICKS
from sfpipe.pages.beginning import first_note
from sfpipe.pages.limits import Limits
from sfpipe.pages.page_set import KnownOnsets, Page, PageSet, PageSystem, strip_format
from sfpipe.pages.staff_lines import StaffCurve
from sfpipe.pages.strip import straighten


@dataclass(frozen=True)
class EngravedSystem:
    """`staves` in px of the picture, from above; `struck`: (tick, x, y) of heads, px of the page.

    Ticks are those of `sfpipe.notation.playback`.
    """

    staves: list[StaffCurve]
    struck: list[tuple[int, float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class EngravedPage:
    """A page and its picture.

    `grey` uint8 [shape=(height, width)]; `scale`: its px in a px of `page`.
    """

    page: Page
    grey: np.ndarray
    scale: float
    systems: list[EngravedSystem]


def staves_to_read(counts: Sequence[int], staves: int | None, *, braced: bool, path: Path) -> int:
    """How many of a system's staves are read, from the lowest.

    Parameters
    ----------
    counts:
        Staves of each system.
    staves:
        What the user says; None: all of one or two, else two that are `braced`.

    Raises
    ------
    SfpipeError
        If there are more, and it is not clear which ones are meant.
    """
    if not counts:
        raise SfpipeError("has no staves", file=path)
    usual = max(set(counts), key=lambda n: (counts.count(n) * n, n))
    if staves is None and usual > 2 and not braced:
        remedy = "say how many of the lowest are to be followed, e.g. --staves 2"
        raise SfpipeError(f"its systems have {usual} staves", file=path, remedy=remedy)
    return min(staves or 2, usual)


def join_pages(
    path: Path,
    pages: Sequence[EngravedPage],
    seconds: Callable[[int], float],
    count: int,
    limits: Limits,
) -> PageSet:
    """The pages' systems in one strip, the lowest `count` staves of each.

    Parameters
    ----------
    seconds:
        Time at which a tick is played.

    Raises
    ------
    SfpipeError
        If the strip would be longer than the limits say.
    """
    _, height, space = strip_format(count)
    systems: list[PageSystem] = []
    images: list[np.ndarray] = []
    places: dict[int, list[tuple[float, float]]] = {}
    start = 0
    for index, page in enumerate(pages):
        chosen = [system.staves[-count:] for system in page.systems]
        parts = straighten(page.grey, index, chosen, (height, space), start)
        start = round(parts[-1].system.strip_end)
        if start > limits.strip_px:
            raise SfpipeError("is too long", file=path, remedy="read fewer pages at a time")
        for engraved, part in zip(page.systems, parts, strict=True):
            system = _scaled(part.system, 1 / page.scale)
            systems.append(system)
            images.append(part.image)
            for tick, x, y in engraved.struck:
                places.setdefault(tick, []).append(system.strip_point(x, y))
    onsets = _onsets(places, seconds)
    return PageSet(
        pages=tuple(page.page for page in pages),
        systems=tuple(systems),
        strip=np.hstack(images),
        staves_per_system=count,
        staff_space_px=space,
        start_px=float(onsets.strip_x[0]) if onsets else first_note(images[0], space),
        source=path.name,
        onsets=onsets,
    )


def _scaled(system: PageSystem, factor: float) -> PageSystem:
    """The same system in other px of the page."""
    if factor == 1:
        return system
    return replace(
        system,
        left=(system.left + 0.5) * factor,
        right=(system.right + 0.5) * factor,
        top=(system.top + 0.5) * factor,
        bottom=(system.bottom + 0.5) * factor,
        mesh=(system.mesh + 0.5) * factor,
    )


def _onsets(
    places: dict[int, list[tuple[float, float]]], seconds: Callable[[int], float]
) -> KnownOnsets | None:
    """Where the struck heads are in the strip, one place for what begins together."""
    if not places:
        return None
    ticks = sorted(places)
    points = np.array([np.median(places[tick], axis=0) for tick in ticks])
    times = np.array([seconds(tick) for tick in ticks])
    return KnownOnsets(points[:, 0], points[:, 1], times, np.array(ticks) / TICKS)
