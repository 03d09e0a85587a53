"""Which rows of a system's image become the strip, and which of those the game shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sfpipe.engraving.files import NoteHeads, System, is_piano
from sfpipe.errors import SfpipeError

HEAD_SPACES = 0.6  # staff spaces from the centre of a note head to its edge
BEYOND_SHARE = 0.02  # of the onsets of piano music, whose ledger lines may leave the strip


@dataclass(frozen=True)
class StripGeometry:
    """The strip is `height_px` high; the game shows its middle `window_px` (section 4.1)."""

    height_px: int
    window_px: int


ENGINES = ("verovio", "lilypond")
MELODY = StripGeometry(40, 40)  # as the paper's Nottingham strips
PIANO = StripGeometry(200, 160)  # as its MSMD strips


def geometry_of(about: Mapping[str, Any]) -> StripGeometry:
    """The geometry of a piece's strip, by its description (``engraving.json``).

    Raises
    ------
    SfpipeError
        If it was drawn by none of sfpipe's engravers.
    """
    engine = about.get("engine")
    if engine not in ENGINES:
        raise SfpipeError(f"was engraved by '{engine}', expected one of {', '.join(ENGINES)}")
    return PIANO if is_piano(about) else MELODY


def strip_geometry(
    about: Mapping[str, Any], height_px: int | None
) -> tuple[int, tuple[int, float] | None]:
    """Height of a piece's strip in px, and the `window` with which its rows are chosen.

    Parameters
    ----------
    about:
        The piece's description (``engraving.json``).
    height_px:
        Of the strip; None: that of the paper's data set of this kind.

    Returns
    -------
    (int, (int, float) or None)
        The window is the height of the game's and the staff space, in px: systems whose heads it
        would cut are moved (see `middle_row`). None: the staves are in the middle.
    """
    geometry = geometry_of(about)
    height = geometry.height_px if height_px is None else height_px
    if geometry.window_px >= geometry.height_px:
        return height, None
    return height, (min(geometry.window_px, height), float(about["staff_space_px"]))


def strip_tops(
    systems: Sequence[System],
    heads: NoteHeads,
    height_px: int,
    window: tuple[int, float] | None,
) -> list[int]:
    """Row of each system's image that becomes the strip's first."""
    if window is None:
        middles = [(s.staff_top_px + s.staff_bottom_px) / 2 for s in systems]
    else:
        height, space = window
        rows = [heads.y_px[heads.system == s.system] for s in systems]
        middles = [middle_row(s, r, space, height) for s, r in zip(systems, rows, strict=True)]
    return [round(m - height_px / 2) for m in middles]


def head_places(
    systems: Sequence[System],
    heads: NoteHeads,
    height_px: int,
    *,
    window: tuple[int, float] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Where the centres of all heads come to lie in the strip of the systems.

    Returns
    -------
    (np.ndarray, np.ndarray)
        x and y in px of the strip, float64 [shape=(n_heads,)]; y also outside of it.

    Raises
    ------
    SfpipeError
        If a head is in none of the systems.
    """
    places = {system.system: i for i, system in enumerate(systems)}
    lefts = np.cumsum([0] + [system.width_px for system in systems])
    tops = np.array(strip_tops(systems, heads, height_px, window))
    require_listed(heads, systems)
    index = np.array([places[s] for s in heads.system.tolist()], int)
    return heads.x_px + lefts[index], heads.y_px - tops[index]


def require_listed(heads: NoteHeads, systems: Sequence[System]) -> None:
    """Raise an `SfpipeError` if a head is in none of the systems."""
    if unknown := set(heads.system.tolist()) - {system.system for system in systems}:
        raise SfpipeError(f"a note head is in system {min(unknown)}, which is not listed")


def onsets_beyond(
    heads: NoteHeads, y: np.ndarray, height_px: int, *, window: tuple[int, float] | None = None
) -> tuple[int, str | None]:
    """Number of onsets above or below the strip, and why a piece with so many is not unrolled.

    With a window an onset lies there if all its heads do, and one in fifty may: the game knows
    them by their column. Without one it does if any of its heads does, and none may.

    Parameters
    ----------
    y:
        Of the heads' centres in the strip, as `head_places` says.
    """
    beyond = (y < 0) | (y > height_px - 1)
    outside = np.any if window is None else np.all
    groups = heads.onsets()
    count = sum(bool(outside(beyond[group])) for group in groups)
    if count <= (0 if window is None else BEYOND_SHARE * len(groups)):
        return count, None
    return count, f"{count} onsets lie above or below the strip of {height_px} px"


def middle_row(system: System, head_rows: np.ndarray, space: float, window_px: int) -> float:
    """Row of the system's image that becomes the middle of the strip.

    It is the middle of the staves, unless the window would then cut through note heads: then it
    moves as little as it must, or, if they do not fit at all, to where as many as possible do.

    Parameters
    ----------
    head_rows:
        float [shape=(n,)], rows of the system's note-head centres.
    space:
        Staff space in px.
    """
    middle = (system.staff_top_px + system.staff_bottom_px) / 2
    if len(head_rows) == 0:
        return middle
    half = window_px / 2 - HEAD_SPACES * space
    offsets = np.sort(np.asarray(head_rows) - middle)
    # A window moved by d shows the offsets in [d - half, d + half].
    moves = np.concatenate([[0.0], offsets - half, offsets + half])
    shown = np.searchsorted(offsets, moves + half + 1e-6, "right") - np.searchsorted(
        offsets, moves - half - 1e-6, "left"
    )
    best = moves[shown == shown.max()]
    return middle + float(best[np.argmin(np.abs(best))])


def ink_outside(image: np.ndarray, middle: float, window_px: int) -> tuple[float, float]:
    """Ink of a system that the window does not show, and all its ink (sums of 1 - grey / 255)."""
    ink = (255.0 - image).sum(axis=1) / 255
    first = round(middle - window_px / 2)
    shown = ink[max(first, 0) : max(first + window_px, 0)].sum()
    return float(ink.sum() - shown), float(ink.sum())
