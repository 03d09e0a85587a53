"""Where a strip's systems, bars and pages begin, from the engraved piece that it was made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfpipe.engraving.bar_lines import find_bar_lines
from sfpipe.engraving.files import System, read_description, read_noteheads, read_systems
from sfpipe.engraving.geometry import head_places, strip_geometry, strip_tops
from sfpipe.errors import SfpipeError
from sfpipe.store.reader import ScoreRecord

PAGE_CM = 25.7  # of systems on a page: A4 without margins of 2 cm
_STEM_SPACES = 0.9  # from a head's centre to the far side of its stem


@dataclass(frozen=True)
class ScoreLayout:
    """What is printed together: columns of the strip at which each begins, px, increasing.

    `systems`, `bars`, `pages` float64 [shape=(n,)]; `systems` and `pages` begin with 0. Before the
    first of `bars` is the first bar.
    """

    systems: np.ndarray
    bars: np.ndarray
    pages: np.ndarray


def read_layouts(folder: Path, scores: Iterable[ScoreRecord]) -> dict[str, ScoreLayout]:
    """The layouts of those scores whose engraved pieces are in `folder`, by piece."""
    layouts = {score.piece: _layout(folder / score.piece, score) for score in scores}
    return {piece: layout for piece, layout in layouts.items() if layout is not None}


def _layout(folder: Path, score: ScoreRecord) -> ScoreLayout | None:
    """The layout of a strip; None: the piece is not there, or not the one of the strip.

    Where the engraver sets lines but no pages, systems go on a page until it is full.
    """
    if not folder.is_dir():
        return None
    try:
        systems, heads, about = (
            read_systems(folder),
            read_noteheads(folder),
            read_description(folder),
        )
        height, window = strip_geometry(about, score.strip.shape[0])
        tops = strip_tops(systems, heads, height, window)
        head_x = head_places(systems, heads, height, window=window)[0]
    except SfpipeError:
        return None
    edges = np.cumsum([0.0, *(system.width_px for system in systems)])
    if edges[-1] != score.strip.shape[1]:
        return None
    columns = np.arange(score.strip.shape[1])
    stems = np.zeros(len(columns), bool)
    reach = _STEM_SPACES * score.staff_space_px
    for x in head_x:
        stems[max(int(x - reach), 0) : int(x + reach) + 2] = True
    for left in edges[:-1]:  # a clef or a time signature may be as high as the staff
        stems[int(left) : int(head_x[head_x >= left].min(initial=edges[-1]))] = True
    bars: list[float] = []
    for i, (system, top) in enumerate(zip(systems, tops, strict=True)):
        rows = system.staff_top_px - top, system.staff_bottom_px - top
        span = float(edges[i]), float(edges[i + 1])
        lines = find_bar_lines(score.strip, span, rows, score.staff_space_px, not_at=stems)
        bars += [span[0], *lines] if i else lines
    return ScoreLayout(edges[:-1], np.array(bars), _pages(systems, edges, score.px_per_cm))


def _pages(systems: list[System], edges: np.ndarray, px_per_cm: float) -> np.ndarray:
    """Where pages begin that hold as many systems as fit."""
    starts, used = [0.0], 0.0
    for system, left in zip(systems, edges, strict=False):
        if used and used + system.height_px > PAGE_CM * px_per_cm:
            starts.append(float(left))
            used = 0.0
        used += system.height_px
    return np.array(starts)
