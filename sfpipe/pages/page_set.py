"""A score as it is printed: pages, systems, the strip that an agent reads, and the maps between."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from sfpipe.audio.midi import Midi
from sfpipe.engraving.files import CM_PER_PX
from sfpipe.errors import SfpipeError
from sfpipe.store.reader import ScoreRecord
from sfpipe.store.window import WINDOWS, Window

# By staves of a system: the window that the agent sees, the strip's height and staff space in px.
MELODY, PIANO = ("nottingham", 40, 3.5), ("msmd", 200, 7.0)
ABOVE, BESIDE = 10, 2  # staff spaces from a system that still belong to it


class PagePoint(NamedTuple):
    """A place of the strip on a page: a vertical line through all staves of its system.

    `page` from 0; `x`, `y_top`, `y_bottom` in px of the page, at the outer staff lines.
    """

    page: int
    x: float
    y_top: float
    y_bottom: float


@dataclass(frozen=True)
class Page:
    """One page for the eye, either as `image` (a PNG or JPEG file) or as `svg`.

    Attributes
    ----------
    width, height:
        In px of the page: of the image, or of the SVG's view box.
    number:
        In the source, from 1: pages without music are left out.
    from_source:
        float64 [shape=(3, 3)], a homography: px of the source's picture -> px of this page, where
        the picture was turned; None: they are the same.
    """

    width: int
    height: int
    number: int
    image: bytes = b""
    svg: str = ""
    from_source: np.ndarray | None = None

    @property
    def media_type(self) -> str:
        """Of the file that a browser shows."""
        if self.svg:
            return "image/svg+xml"
        return "image/png" if self.image.startswith(b"\x89PNG") else "image/jpeg"


@dataclass(frozen=True)
class PageSystem:
    """One system on its page and in the strip.

    Attributes
    ----------
    page:
        Index into `PageSet.pages`, from 0.
    left, right, top, bottom:
        Box around its staves, px of the page.
    strip_start, strip_end:
        Columns of the strip where it begins and ends.
    strip_x:
        float64 [shape=(n_knots,)], increasing, from `strip_start` to `strip_end`.
    strip_y:
        float64 [shape=(n_rows,)], increasing: rows of the strip at which the outer lines of each
        staff lie, two a staff.
    mesh:
        float64 [shape=(n_rows, n_knots, 2)], where those points are: x, y in px of the page.
    """

    page: int
    left: float
    right: float
    top: float
    bottom: float
    strip_start: float
    strip_end: float
    strip_x: np.ndarray
    strip_y: np.ndarray
    mesh: np.ndarray

    @property
    def staves(self) -> tuple[np.ndarray, ...]:
        """Of each staff, y of its five lines at the knots, float64 [shape=(5, n_knots)]."""
        share = np.linspace(0, 1, 5)[:, None]
        pairs = zip(self.mesh[0::2, :, 1], self.mesh[1::2, :, 1], strict=True)
        return tuple(top + share * (bottom - top) for top, bottom in pairs)

    @property
    def staff_space(self) -> float:
        """Between two lines, px of the page."""
        tall = self.mesh[1::2, :, 1] - self.mesh[0::2, :, 1]
        return float(tall.mean()) / 4

    def point(self, strip_x: float, strip_y: float) -> tuple[float, float]:
        """Where a point of the strip is on the page; above and below the staves extrapolated."""
        column = self._column(strip_x)
        x, y = _line(self.strip_y, column, strip_y)
        return x, y

    def strip_point(self, x: float, y: float) -> tuple[float, float]:
        """Column and row of the strip at which a point of the page is, the inverse of `point`."""
        low, high = 0, len(self.strip_x) - 1
        while high - low > 1:  # the verticals do not cross, so their order can be searched
            middle = (low + high) // 2
            low, high = (middle, high) if self._beyond(middle, x, y) >= 0 else (low, middle)
        before, after = self._beyond(low, x, y), self._beyond(high, x, y)
        share = before / (before - after) if before != after else 0.0
        strip_x = float(self.strip_x[low] + share * (self.strip_x[high] - self.strip_x[low]))
        column = self._column(strip_x)
        return strip_x, float(_inverse(self.strip_y, column[:, 1], y))

    def _column(self, strip_x: float) -> np.ndarray:
        """The vertical at a column of the strip, [shape=(n_rows, 2)]; beyond the ends goes on."""
        at = int(np.clip(np.searchsorted(self.strip_x, strip_x) - 1, 0, len(self.strip_x) - 2))
        span = self.strip_x[at + 1] - self.strip_x[at]
        share = (strip_x - self.strip_x[at]) / span
        return self.mesh[:, at] + share * (self.mesh[:, at + 1] - self.mesh[:, at])

    def _beyond(self, knot: int, x: float, y: float) -> float:
        """How far right of a knot's vertical a point is, px of the page."""
        column = self.mesh[:, knot]
        row = _inverse(self.strip_y, column[:, 1], y)
        return x - _line(self.strip_y, column, row)[0]


class KnownOnsets(NamedTuple):
    """What a notated score says of its notes; for evaluation only.

    `strip_x`, `strip_y` float64 [shape=(n_onsets,)] in px of the strip; `seconds` float64
    [shape=(n_onsets,)], increasing; `quarters` float64 [shape=(n_onsets,)].
    """

    strip_x: np.ndarray
    strip_y: np.ndarray
    seconds: np.ndarray
    quarters: np.ndarray


@dataclass(frozen=True)
class PageSet:
    """A score ready to be followed and to be shown.

    Attributes
    ----------
    pages:
        Those with music, in order.
    systems:
        In reading order; their parts of the strip follow one another without gaps.
    strip:
        uint8 [shape=(height, width)], paper 255, ink 0, the staves in the middle.
    staves_per_system:
        1: a melody; 2: piano music.
    staff_space_px:
        Of the strip.
    start_px:
        Column of the strip at which the first note is.
    source:
        Name of the file.
    notes:
        What a user should know of how it was read, a sentence each.
    sounding:
        The notes that are struck, as they are written, at the times of `onsets`; None: not known.
    transposition:
        Semitones from where the notes stand to what sounds, as the notation says; None: a picture,
        which does not.
    return_px:
        Columns of the strip to which the notation tells to return: repeats, D.C., D.S.
    """

    pages: tuple[Page, ...]
    systems: tuple[PageSystem, ...]
    strip: np.ndarray
    staves_per_system: int
    staff_space_px: float
    start_px: float
    source: str = ""
    notes: tuple[str, ...] = ()
    onsets: KnownOnsets | None = None
    sounding: Midi | None = None
    transposition: int | None = None
    return_px: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.pages or not self.systems:
            raise SfpipeError("has no systems", file=self.source or None)

    @property
    def agent(self) -> str:
        """Name of the published agent that reads such strips."""
        return f"{self.window.name}-belief"

    @property
    def window(self) -> Window:
        """What an agent sees of the strip at once."""
        return WINDOWS[strip_format(self.staves_per_system)[0]]

    def to_page(self, strip_x: float) -> PagePoint:
        """Where a column of the strip is on the pages; beyond the ends the nearest column."""
        system = self.systems[self.system_at(strip_x)]
        at = float(np.clip(strip_x, system.strip_start, system.strip_end))
        (x_top, top), (x_bottom, bottom) = (system.point(at, y) for y in system.strip_y[[0, -1]])
        return PagePoint(system.page, (x_top + x_bottom) / 2, top, bottom)

    def to_strip(self, page: int, x: float, y: float) -> float | None:
        """Column of the strip at a point of page `page` (from 0); None: there is no system.

        A system reaches half way to its neighbours, at most 10 staff spaces, and 2 to the sides.
        """
        index = self.nearest_system(page, y)
        if index is None:
            return None
        system = self.systems[index]
        space = system.staff_space
        inside = system.left - BESIDE * space <= x <= system.right + BESIDE * space
        if not (inside and system.top - ABOVE * space <= y <= system.bottom + ABOVE * space):
            return None
        at, _ = system.strip_point(x, y)
        return float(np.clip(at, system.strip_start, system.strip_end))

    def system_at(self, strip_x: float) -> int:
        """Index of the system at a column of the strip; beyond the ends the first or the last."""
        at = int(np.searchsorted(self._starts, strip_x, side="right")) - 1
        return min(max(at, 0), len(self.systems) - 1)

    def nearest_system(self, page: int, y: float) -> int | None:
        """Index of the system of a page whose staves are nearest to a row; None: it has none."""
        distances = [
            (max(s.top - y, y - s.bottom, 0.0), i)
            for i, s in enumerate(self.systems)
            if s.page == page
        ]
        return min(distances)[1] if distances else None

    def score_record(self, title: str = "") -> ScoreRecord:
        """The strip as followers take it: its onsets if they are known, else where the first is."""
        x = self.onsets.strip_x if self.onsets else np.array([self.start_px])
        y = self.onsets.strip_y if self.onsets else np.array([self.strip.shape[0] / 2])
        quarters = self.onsets.quarters if self.onsets else np.zeros(1)
        return ScoreRecord(
            piece="score",
            split="test",
            title=title or self.source,
            strip=self.strip,
            onset_x_px=x,
            onset_y_px=y,
            onset_quarter=quarters,
            staff_space_px=self.staff_space_px,
            px_per_cm=1 / CM_PER_PX,
        )

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.array([system.strip_start for system in self.systems])


def strip_format(staves: int) -> tuple[str, int, float]:
    """The window's name, and height and staff space of the strip in px, by staves of a system."""
    return MELODY if staves == 1 else PIANO


def _segment(at: np.ndarray, value: float) -> tuple[int, float]:
    """Index of the piece of a rising sequence that holds a value, and the share of it."""
    i = int(np.clip(np.searchsorted(at, value) - 1, 0, len(at) - 2))
    return i, (value - at[i]) / (at[i + 1] - at[i])


def _line(rows: np.ndarray, column: np.ndarray, row: float) -> tuple[float, float]:
    i, share = _segment(rows, row)
    x, y = column[i] + share * (column[i + 1] - column[i])
    return float(x), float(y)


def _inverse(rows: np.ndarray, ys: np.ndarray, y: float) -> float:
    i, share = _segment(ys, y)
    return float(rows[i] + share * (rows[i + 1] - rows[i]))
