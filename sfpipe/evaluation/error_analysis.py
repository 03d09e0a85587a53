"""Errors in cm and s, difficulty of the pieces, and where the worst of them were lost.

What `dvc plots` and the report show beside `sfpipe.evaluation.plots`, of the agent's games alone:

``error_histogram_cm.csv``  error_cm (middle of the bin), share of the reached onsets
``error_histogram_s.csv``   error_s, share
``difficulty.csv``          piece, performance; tempo_qpm (quarters per minute), onsets_per_s,
                            r_on (trials pooled)
``lost.csv``                the five worst pieces: which game lost the target first, when and where
``lost.png``                the strip at those places
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.evaluation.figures import new_figure, save
from sfpipe.evaluation.onset_tracking import count_onsets
from sfpipe.evaluation.timing import time_errors
from sfpipe.files import write_csv
from sfpipe.following.evaluation_set import EvaluationSet
from sfpipe.game.play import PlayedGame
from sfpipe.store.packing import pack_strips
from sfpipe.store.reader import ScoreRecord
from sfpipe.store.schema import FPS
from sfpipe.store.window import Window

N_WORST = 5
N_BINS = 41
S_RANGE = 1.0  # s; later and earlier ones are in the outermost bins
DIFFICULTY = ("piece", "performance", "tempo_qpm", "onsets_per_s", "r_on")
LOST = (
    "piece",
    "performance",
    "r_on",
    "games",
    "games_lost",
    "trial",
    "lost_s",
    "onset",
    "onsets",
    "position_px",
    "target_px",
)


@dataclass(frozen=True)
class Loss:
    """Where a piece was lost: the game that lost it earliest, and how its games fared together.

    `lost_s` counts from the first onset, `onset` the onsets reached before; `position_px` and
    `target_px` are strip px, in the frame that lost.
    """

    piece: str
    performance: str
    r_on: float
    games: int
    games_lost: int
    trial: int
    lost_s: float
    onset: int
    onsets: int
    position_px: float
    target_px: float


def write_closeup(games: Sequence[PlayedGame], played: EvaluationSet, out: Path) -> list[Path]:
    """Write the five files into `out`.

    Parameters
    ----------
    games:
        Of one player, all its trials.
    played:
        What was played, for strips and tempi.

    Raises
    ------
    SfpipeError
        If a file cannot be written.
    """
    widest = max(game.threshold_px / game.px_per_cm for game in games)
    cm = np.concatenate([_sizes_cm(game) for game in games])
    seconds = np.concatenate([time_errors(game) for game in games])
    losses = worst(games)
    tables: dict[str, tuple[Sequence[str], list[Sequence[Any]]]] = {
        "error_histogram_cm.csv": (("error_cm", "agent"), _histogram(cm, widest)),
        "error_histogram_s.csv": (("error_s", "agent"), _histogram(seconds, S_RANGE)),
        "difficulty.csv": (DIFFICULTY, difficulty(games, played.scores)),
        "lost.csv": (LOST, [[getattr(loss, name) for name in LOST] for loss in losses]),
    }
    for name, (head, rows) in tables.items():
        write_csv(out / name, head, rows)
    save(_draw(losses, played), out / "lost.png", dpi=120)
    return [out / name for name in (*tables, "lost.png")]


def worst(games: Sequence[PlayedGame], n: int = N_WORST) -> list[Loss]:
    """Where the `n` performances with the lowest share of reached onsets were first lost."""
    losses = [_loss(group) for group in _groups(games).values() if any(game.lost for game in group)]
    return sorted(losses, key=lambda loss: (loss.r_on, loss.piece, loss.performance))[:n]


def difficulty(
    games: Sequence[PlayedGame], scores: Mapping[str, ScoreRecord]
) -> list[Sequence[Any]]:
    """Rows of `DIFFICULTY`, in the order in which the games were played.

    The tempo is that of the performance: quarters between first and last onset over their time.
    """
    rows: list[Sequence[Any]] = []
    for key, group in _groups(games).items():
        game, score = group[0], scores[key[0]]
        # Which score onsets a performance began and ended with: those at their places.
        ends = [int(np.argmin(np.abs(score.onset_x_px - x))) for x in game.onset_x_px[[0, -1]]]
        quarters = float(score.onset_quarter[ends[1]] - score.onset_quarter[ends[0]])
        seconds = max(float(game.onset_s[-1] - game.onset_s[0]), 1e-9)
        counts = [count_onsets(g) for g in group]
        ratio = sum(c.n_reached for c in counts) / sum(c.n_onsets for c in counts)
        rows.append([*key, 60 * quarters / seconds, (len(game.onset_s) - 1) / seconds, ratio])
    return rows


def _groups(games: Sequence[PlayedGame]) -> dict[tuple[str, str], list[PlayedGame]]:
    """The trials of each performance, by piece and performance."""
    groups: dict[tuple[str, str], list[PlayedGame]] = {}
    for game in games:
        groups.setdefault((game.piece, game.performance), []).append(game)
    return groups


def _loss(group: Sequence[PlayedGame]) -> Loss:
    counts = [count_onsets(game) for game in group]
    lost = [game for game in group if game.lost]
    game = min(lost, key=lambda g: (len(g.error_px), g.trial))
    return Loss(
        piece=game.piece,
        performance=game.performance,
        r_on=sum(c.n_reached for c in counts) / sum(c.n_onsets for c in counts),
        games=len(group),
        games_lost=len(lost),
        trial=game.trial,
        lost_s=len(game.error_px) / FPS,
        onset=game.onsets_reached,
        onsets=len(game.onset_frames),
        position_px=float(game.position_px[-1]),
        target_px=float(game.position_px[-1] - game.error_px[-1]),
    )


def _sizes_cm(game: PlayedGame) -> np.ndarray:
    count = count_onsets(game)
    return count.error_px * count.cm_per_px


def _histogram(errors: np.ndarray, widest: float) -> list[Sequence[Any]]:
    edges = np.linspace(-widest, widest, N_BINS + 1)
    share = np.histogram(errors.clip(-widest, widest), edges)[0] / max(len(errors), 1)
    return list(zip((edges[:-1] + edges[1:]) / 2, share, strict=True))


def _draw(losses: Sequence[Loss], played: EvaluationSet) -> Any:
    """One stretch of strip per loss, two windows wide: where the agent was and the target."""
    window = played.window
    rows = max(len(losses), 1)
    figure = new_figure(9, 0.3 + rows * (0.55 + 4.2 * window.height / window.width))
    axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
    for axis, loss in zip(axes, losses, strict=False):
        middle = (loss.position_px + loss.target_px) / 2
        strip = _stretch(played.scores[loss.piece], window, middle)
        _draw_loss(axis, loss, strip, middle, window.shrink)
    if not losses:
        axes[0].text(0.5, 0.5, "no game was lost", ha="center", va="center")
        axes[0].set_axis_off()
    return figure


def _stretch(score: ScoreRecord, window: Window, middle_px: float) -> np.ndarray:
    """The strip as the agent sees it, one window to the left and right of a place."""
    ink, offsets = pack_strips({score.piece: score}, [score.piece], window)
    padded = (score.strip.shape[1] + 2 * window.width) // window.shrink
    left = int(middle_px) // window.shrink  # padded strips begin one window earlier
    columns = np.arange(left, left + 2 * window.width // window.shrink)
    inside = (columns >= 0) & (columns < padded)
    first = offsets[score.piece].base
    return np.where(inside, 255 - ink[:, first + columns.clip(0, padded - 1)], 255)


def _draw_loss(axis: Any, loss: Loss, strip: np.ndarray, middle: float, shrink: int) -> None:
    half = strip.shape[1] * shrink / 2
    extent = (middle - half, middle + half, strip.shape[0] * shrink, 0)
    axis.imshow(strip, cmap="gray", vmin=0, vmax=255, extent=extent)
    axis.axvline(loss.position_px, color="#1f5fa8", lw=2)
    axis.axvline(loss.target_px, color="#de6e12", lw=2)
    axis.set(yticks=[], xlim=extent[:2])
    axis.tick_params(labelsize=7)
    axis.set_title(
        f"{loss.piece} {loss.performance}: {loss.games_lost} of {loss.games} games lost, first"
        f" after {loss.onset} of {loss.onsets} onsets ({loss.lost_s:.1f} s);"
        " blue: agent, orange: target",
        fontsize=7.5,
        loc="left",
    )
