"""Pages with one system each -> an image of each system, and the pixels of its note heads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfpipe.engraving.lilypond.placement import PlacedHead, PlacedSystem, Placement
from sfpipe.errors import SfpipeError
from sfpipe.sandbox.jail import plain_file, read_made

MAX_PIXELS = 16_000_000
MARGIN_SPACES = 12  # staff spaces of paper kept above and below the staves
SAME_STAFF_SPACES = 1.0
HEAD_SPACES = 0.6  # from the centre of a head to its edge
INK = 250  # grey values below are ink


@dataclass(frozen=True)
class SystemImage:
    """A system cut from its page, from the left end of its staves to the right.

    `image` uint8 [shape=(height, width)], paper 255; `staff_top`, `staff_bottom`: rows of the
    outer staff lines; `staves`: rows of each staff's middle, from the top; `staff_space` in px.
    """

    image: np.ndarray
    scale: float
    left: float
    top: float
    staff_top: float
    staff_bottom: float
    staves: tuple[float, ...]
    staff_space: float

    def centre(self, head: PlacedHead) -> tuple[float, float]:
        """Column and row of a head's centre, (0, 0) being the centre of the first pixel."""
        x = (head.left + head.right) / 2 * self.scale - self.left - 0.5
        return x, self.row(head.y)

    def row(self, y: float) -> float:
        """Row of a height above the system's origin."""
        return -y * self.scale - self.top - 0.5

    def staff_of(self, head: PlacedHead) -> int:
        """Number of a head's staff, from 1 at the top."""
        row = self.row(head.y if head.staff_y is None else head.staff_y)
        return 1 + int(np.argmin([abs(row - middle) for middle in self.staves]))


def cut_system(folder: Path, name: str, placement: Placement, system: PlacedSystem) -> SystemImage:
    """The image of one system of score `name` (``score-00``).

    Raises
    ------
    SfpipeError
        If the page was not made, is no image, or has no staves.
    """
    if not system.staves:
        raise SfpipeError(f"a system of {name} has no staves")
    page = read_page(folder, name, system.page)
    scale = placement.scale
    page_x, page_y = system.x * scale, (placement.top_margin + system.y) * scale
    first = first_column(placement, system)
    last = math.ceil(page_x + max(s.right for s in system.staves) * scale)
    last = min(last, page.shape[1])
    upper, lower = _rows(placement, system)
    if last - first < 2 or not 0 <= upper < lower < page.shape[0]:
        raise SfpipeError(f"a system of {name} lies outside of its page")
    space = float(np.median([s.space for s in system.staves])) * scale
    margin = MARGIN_SPACES * space
    ink = (page[:, first:last] < INK).sum(axis=1)
    top, bottom = _share_of_page(placement, system, ink)
    inked = top + np.flatnonzero(ink[top:bottom])
    top = max(top, min(inked.min(initial=bottom), math.floor(upper - margin)))
    bottom = min(bottom, max(inked.max(initial=top) + 1, math.ceil(lower + margin)))
    return SystemImage(
        image=page[top:bottom, first:last],
        scale=scale,
        left=first - page_x,
        top=top - page_y,
        staff_top=upper - top - 0.5,
        staff_bottom=lower - top - 0.5,
        staves=_merge([page_y - s.y * scale - top - 0.5 for s in system.staves], space),
        staff_space=space,
    )


def first_column(placement: Placement, system: PlacedSystem) -> int:
    """Column of the page at which a system's image begins."""
    left = system.x + min(s.left for s in system.staves)
    return max(math.floor(left * placement.scale), 0)


def _rows(placement: Placement, system: PlacedSystem) -> tuple[float, float]:
    """Rows of the page at which a system's staves begin and end."""
    origin = (placement.top_margin + system.y) * placement.scale
    upper = origin - max(s.top for s in system.staves) * placement.scale
    return upper, origin - min(s.bottom for s in system.staves) * placement.scale


def _share_of_page(placement: Placement, system: PlacedSystem, ink: np.ndarray) -> tuple[int, int]:
    """Rows of a page that belong to a system.

    All, unless the source forbids page breaks and others are on the page, too: then they are cut
    apart where the least ink (inked pixels of each row) is between the note heads of both.
    """
    upper, lower = _rows(placement, system)
    top, bottom = 0, len(ink)
    for other in placement.systems:
        if other.page != system.page or other is system or not other.staves:
            continue
        its_upper, its_lower = _rows(placement, other)
        if its_lower <= upper:
            top = max(top, _cut(placement, other, system, ink))
        elif its_upper >= lower:
            bottom = min(bottom, _cut(placement, system, other, ink))
    return top, bottom


def _cut(placement: Placement, above: PlacedSystem, below: PlacedSystem, ink: np.ndarray) -> int:
    """The row at which the lower of two systems on a page begins."""
    scale = placement.scale
    first, last = _rows(placement, above)[1], _rows(placement, below)[0]
    origins = [(placement.top_margin + system.y) * scale for system in (above, below)]
    size = HEAD_SPACES * max(staff.space for staff in above.staves + below.staves) * scale
    lowest = max((origins[0] - h.y * scale + size for h in above.heads), default=first)
    highest = min((origins[1] - h.y * scale - size for h in below.heads), default=last)
    if max(first, lowest) < min(last, highest):
        first, last = max(first, lowest), min(last, highest)
    return _emptiest(ink, first, last)


def _emptiest(ink: np.ndarray, first: float, last: float) -> int:
    """Of the rows between two, one with the least ink; of several the nearest to their middle."""
    rows = np.arange(math.ceil(first) + 1, max(math.floor(last), math.ceil(first) + 2))
    least = rows[ink[rows] == ink[rows].min()]
    return int(least[np.argmin(np.abs(least - rows.mean()))])


def _merge(rows: list[float], space: float) -> tuple[float, ...]:
    """Middles of the staves: a staff that stops and starts again is one."""
    merged: list[float] = []
    for row in sorted(rows):
        if not merged or row - merged[-1] > SAME_STAFF_SPACES * space:
            merged.append(row)
    return tuple(merged)


def read_page(folder: Path, name: str, number: int) -> np.ndarray:
    """Page `number`, from 1, of score `name`, uint8 [shape=(height, width)].

    Raises
    ------
    SfpipeError
        If it was not made, or is no image.
    """
    import cv2

    path = folder / f"{name}-page{number}.png"
    if number == 1 and not plain_file(path):
        path = folder / f"{name}.png"
    content = np.frombuffer(read_made(path), np.uint8)
    try:
        page = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if content.size else None
    except cv2.error:  # a header that promises a gigantic picture
        page = None
    if page is None or page.size > MAX_PIXELS:
        raise SfpipeError(f"{path.name} is not a readable page")
    return page
