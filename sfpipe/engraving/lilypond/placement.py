"""What the hook in LilyPond says of one score: systems, staves and note heads, in its own units."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from sfpipe.errors import SfpipeError
from sfpipe.sandbox.jail import read_made

TICKS = 384  # of LilyPond's MIDI per quarter
GRACE = Fraction(9, 40)  # of its written length a grace note takes, before the beat
DPI = 101  # A4 with LilyPond's default staff size: 6.99 px per staff space, as the MSMD
MM_PER_INCH = 25.4
MAX_BYTES = 32 << 20
LARGEST = 1e5  # units; of anything on a page


@dataclass(frozen=True)
class Moment:
    """A point in musical time: whole notes, and (negative) whole notes of grace before it."""

    main: Fraction
    grace: Fraction

    def ticks_after(self, start: Moment) -> int:
        """Ticks of LilyPond's MIDI (384 per quarter), truncated as it does."""
        whole = self.main - start.main + (self.grace - start.grace) * GRACE
        return int(whole * 4 * TICKS)


@dataclass(frozen=True)
class PlacedHead:
    """One note head; lengths in staff spaces of the page, y upwards from its system's origin.

    `log`: 0 whole, 1 half, 2 and more filled. `tied`: a drawn tie ends here. `visible`: it is
    printed. `length`: written, in whole notes.
    """

    left: float
    right: float
    y: float
    staff_y: float | None
    midi_pitch: int
    log: int
    tied: bool
    visible: bool
    moment: Moment
    length: Fraction


@dataclass(frozen=True)
class Staff:
    """The lines of one staff in one system."""

    left: float
    right: float
    bottom: float
    top: float
    y: float
    space: float


@dataclass(frozen=True)
class PlacedSystem:
    """One system on `page` (from 1), its origin at (`x`, `y` downwards from the top margin)."""

    page: int
    x: float
    y: float
    staves: tuple[Staff, ...]
    heads: tuple[PlacedHead, ...]


@dataclass(frozen=True)
class Placement:
    """One score: `scale` px per unit, `top_margin` in units, the moment it begins."""

    scale: float
    top_margin: float
    start: Moment
    systems: tuple[PlacedSystem, ...]


def read_placement(path: Path) -> Placement:
    """Read what the hook wrote about a score.

    Raises
    ------
    SfpipeError
        If it was not written, or is not what the hook writes.
    """
    content = read_made(path, MAX_BYTES)
    try:
        data = json.loads(content)
        return Placement(
            scale=_length(data["output_scale"]) * DPI / MM_PER_INCH,
            top_margin=_length(data["top_margin"]),
            start=_moment(data["start"]),
            # A line of words only is a system, too, without staves and heads.
            systems=tuple(
                _system(system) for system in data["systems"] if system["staves"] or system["heads"]
            ),
        )
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise SfpipeError(
            f"the note heads of {path.stem} were not told ({type(error).__name__}: {error})"
        ) from None


def _length(value: Any) -> float:
    """A number that can be a place on a page: the source may have written anything."""
    number = float(value)
    if not abs(number) < LARGEST:
        raise ValueError(f"{number} is no place on a page")
    return number


def _moment(numbers: list[int]) -> Moment:
    main, main_of, grace, grace_of = numbers
    return Moment(Fraction(main, main_of), Fraction(grace, grace_of))


def _system(data: dict[str, Any]) -> PlacedSystem:
    return PlacedSystem(
        page=int(data["page"]),
        x=_length(data["x"]),
        y=_length(data["y"]),
        staves=tuple(Staff(*map(_length, s)) for s in data["staves"] if None not in s),
        heads=tuple(_head(head) for head in data["heads"] if None not in head[:3]),
    )


def _head(data: list[Any]) -> PlacedHead:
    left, right, y, staff_y, pitch, log, tied, visible, *times = data
    return PlacedHead(
        _length(left),
        _length(right),
        _length(y),
        None if staff_y is None else _length(staff_y),
        round(float(pitch)),
        int(log),
        bool(tied),
        bool(visible),
        _moment(times[:4]),
        Fraction(times[4], times[5]),
    )
