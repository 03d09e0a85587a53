"""What somebody sees who watches a follower through a whole performance, lost or not.

The game ends where the target is lost; music goes on, and so does whoever reads along. Here every
onset of the performance counts. The position **shown** at an onset is the one for its frame; after
the loss it is what the follower goes on to show. A player of the batched game ends with its game,
and every later onset counts as wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sfpipe.evaluation.layout import ScoreLayout
from sfpipe.evaluation.timing import all_shown, shown_positions, shown_time_errors
from sfpipe.store.schema import FPS

if TYPE_CHECKING:
    from sfpipe.game.play import PlayedGame

WITHIN_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
TURN_S = 1.0  # by which a page may be turned too early or too late

_SLACK_S = 1e-9  # an error of exactly one threshold is within it, whatever the last bit says


def whole_performance(
    games: Sequence[PlayedGame], layouts: Mapping[str, ScoreLayout] | None = None
) -> dict[str, Any]:
    """Shares of all onsets of all games, and of all page turns; None where nothing is known.

    Parameters
    ----------
    layouts:
        By piece. A piece counts for systems, bars or pages if it has more than one.

    Returns
    -------
    dict
        ``within_s``: threshold in s -> share of the onsets at which the position shown has a time
        error (`shown_time_errors`) of at most that. ``right_system``, ``right_bar``: shares of the
        onsets at which it is in the system, or the bar, of the onset's note head.
        ``right_page_turn``: share of the page turns (`page_turns`). ``page_turns``: how many.
    """
    errors = np.abs(np.concatenate([shown_time_errors(game) for game in games]))
    within = {f"{t:g}": float((errors <= t + _SLACK_S).mean()) for t in WITHIN_S}
    known = [(game, layouts[game.piece]) for game in games if layouts and game.piece in layouts]
    turns = [turn for game, layout in known for turn in page_turns(game, layout.pages)]
    return {
        "within_s": within,
        "right_system": _share([_same(game, layout.systems[1:]) for game, layout in known]),
        "right_bar": _share([_same(game, layout.bars) for game, layout in known]),
        "right_page_turn": float(np.mean(turns)) if turns else None,
        "page_turns": len(turns),
    }


def page_turns(game: PlayedGame, pages: np.ndarray) -> list[bool]:
    """Of each step of the performance to another page, whether it was shown when it was due.

    It was if the old page is shown a second before its last onset, and the new one a second after
    its first; so is a turn back for a repeat. Pages that are played for less than a second, and
    turns within the first or last second, are judged at the onset itself.

    Parameters
    ----------
    pages:
        Columns at which pages begin, px; the first is 0.
    """
    page = np.searchsorted(pages, game.onset_x_px, side="right")
    shown = all_shown(game)
    onset_s = np.asarray(game.onset_s, np.float64)

    def shown_page(onset: int, later_s: float) -> int:
        """The page shown so much later than an onset; 0: none."""
        step = int(game.onset_frames[onset]) - game.start_frame + round(later_s * FPS)
        return int(np.searchsorted(pages, shown[step], side="right")) if step < len(shown) else 0

    edges = [0, *(np.flatnonzero(np.diff(page)) + 1), len(page)]
    right = []
    for before, at, end in zip(edges, edges[1:], edges[2:], strict=False):
        early = TURN_S if onset_s[at - 1] - onset_s[before] >= TURN_S else 0.0
        late = TURN_S if onset_s[end - 1] - onset_s[at] >= TURN_S else 0.0
        old, new = shown_page(at - 1, -early), shown_page(at, late)
        right.append(bool(old == page[at - 1] and new == page[at]))
    return right


def _same(game: PlayedGame, edges: np.ndarray) -> np.ndarray:
    """Whether the position shown at each onset is on its side of all edges; empty without any."""
    if not len(edges):
        return np.zeros(0, bool)
    shown = shown_positions(game)
    there = np.searchsorted(edges, shown, side="right")
    return (there == np.searchsorted(edges, game.onset_x_px, side="right")) & np.isfinite(shown)


def _share(right: Sequence[np.ndarray]) -> float | None:
    every = np.concatenate(right) if right else np.zeros(0, bool)
    return float(every.mean()) if len(every) else None
