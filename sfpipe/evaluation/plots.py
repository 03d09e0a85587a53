"""Pictures of an evaluation: CSV files that `dvc plots` draws and compares, and PNGs.

Names are constant, so that DVC can compare runs. Files, in the folder given:

``error_histogram.csv``  error_px (middle of the bin); per player the share of its reached onsets
``survival.csv``         progress (share of the piece's onsets); per player the share of games that
                         are still followed there
``tracking_ratio.csv``   piece; per player the share of onsets reached
``error_histogram.png``, ``survival.png``, ``tracking_ratio.png``, ``tracking_error.png``
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sfpipe.evaluation.figures import COLOURS, LOST, new_figure, plain, save
from sfpipe.evaluation.onset_tracking import count_onsets
from sfpipe.evaluation.validation import LABELS, name_of
from sfpipe.files import write_csv
from sfpipe.store.schema import FPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sfpipe.game.play import PlayedGame

N_BINS = 51
N_PROGRESS = 101
N_GAMES_SHOWN = 4

# Player, place on the other axis, value.
Rows: TypeAlias = Sequence[tuple[str, Any, float]]
Results: TypeAlias = "Mapping[str, Sequence[PlayedGame]]"


def write_plots(results: Results, out_dir: Path) -> list[Path]:
    """Write all plots of `results` (player -> games) into `out_dir`; returns the files.

    Raises
    ------
    SfpipeError
        If a file cannot be written.
    """
    histogram, survival = _histogram_rows(results), _survival_rows(results)
    ratios = _ratio_rows(results)
    tables = {
        "error_histogram.csv": ("error_px", histogram),
        "survival.csv": ("progress", survival),
        "tracking_ratio.csv": ("piece", ratios),
    }
    for name, (key, rows) in tables.items():
        _write_csv(out_dir / name, key, rows)
    agent = results["agent"] if "agent" in results else next(iter(results.values()))
    figures = {
        "error_histogram.png": _draw_histogram(histogram),
        "survival.png": _draw_survival(survival),
        "tracking_ratio.png": _draw_ratios(ratios),
        "tracking_error.png": _draw_errors(agent),
    }
    for name, figure in figures.items():
        save(figure, out_dir / name, dpi=120)
    return [out_dir / name for name in (*tables, *figures)]


def _write_csv(path: Path, key: str, rows: Rows) -> None:
    """One column `key` and one per player: a line of its own for each in `dvc plots`."""
    table: dict[Any, dict[str, float]] = {}
    for player, x, y in rows:
        table.setdefault(x, {})[player] = y
    players = list(dict.fromkeys(player for player, _, _ in rows))
    lines = ([x, *(of.get(player, "") for player in players)] for x, of in table.items())
    write_csv(path, (key, *players), lines)


def _histogram_rows(results: Results) -> Rows:
    """Signed errors at reached onsets, in equal bins over [-b, b] of the widest game."""
    widest = max(game.threshold_px for games in results.values() for game in games)
    edges = np.linspace(-widest, widest, N_BINS + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    rows: list[tuple[str, Any, float]] = []
    for player, games in results.items():
        errors = np.concatenate([count_onsets(game).error_px for game in games])
        errors = errors.clip(-widest, widest)
        share = np.histogram(errors, edges)[0] / len(errors)
        rows += [(player, float(m), float(s)) for m, s in zip(middles, share, strict=True)]
    return rows


def _survival_rows(results: Results) -> Rows:
    """Share of games of which at least a given share of the onsets was reached."""
    progress = np.linspace(0, 1, N_PROGRESS)
    rows: list[tuple[str, Any, float]] = []
    for player, games in results.items():
        counts = [count_onsets(game) for game in games]
        ratio = np.array([c.n_reached / c.n_onsets for c in counts])
        rows += [(player, float(p), float(np.mean(ratio >= p - 1e-9))) for p in progress]
    return rows


def _ratio_rows(results: Results) -> Rows:
    """R_on of each piece, performances and trials pooled; each player's lowest first."""
    rows: list[tuple[str, Any, float]] = []
    for player, games in results.items():
        sums: dict[str, list[int]] = {}
        for game in games:
            count = count_onsets(game)
            reached, onsets = sums.get(game.piece, [0, 0])
            sums[game.piece] = [reached + count.n_reached, onsets + count.n_onsets]
        ratios = {piece: reached / onsets for piece, (reached, onsets) in sums.items()}
        rows += [(player, p, ratios[p]) for p in sorted(ratios, key=lambda p: (ratios[p], p))]
    return rows


def new_axes(width: float = 7, height: float = 3.6, rows: int = 1) -> tuple[Any, Any]:
    """A figure with axes below each other."""
    figure = new_figure(width, height)
    axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
    return figure, [plain(axis, labelsize=10) for axis in axes]


def _by_player(rows: Rows) -> dict[str, tuple[list, list[float]]]:
    out: dict[str, tuple[list, list[float]]] = {}
    for player, x, y in rows:
        xs, ys = out.setdefault(player, ([], []))
        xs.append(x)
        ys.append(y)
    return out


def _draw_histogram(rows: Rows) -> Any:
    figure, (axis,) = new_axes()
    for player, (x, y) in _by_player(rows).items():
        axis.step(
            x, y, where="mid", color=COLOURS.get(player), label=LABELS.get(player, player), lw=1.4
        )
    axis.set_yscale("log")
    axis.set_ylim(bottom=1e-4)
    axis.set_xlabel("tracking error at reached onsets (px; negative: behind)")
    axis.set_ylabel("share of onsets")
    axis.legend(frameon=False)
    return figure


def _draw_survival(rows: Rows) -> Any:
    figure, (axis,) = new_axes()
    for player, (x, y) in _by_player(rows).items():
        axis.plot(x, y, color=COLOURS.get(player), label=LABELS.get(player, player), lw=1.6)
    axis.set(xlim=(0, 1), ylim=(0, 1.03))
    axis.set_xlabel("share of the piece's onsets")
    axis.set_ylabel("share of games still followed")
    axis.legend(frameon=False)
    return figure


def _draw_ratios(rows: Rows) -> Any:
    """Pieces from the hardest to the easiest for the first player, all players side by side."""
    players = _by_player(rows)
    order = next(iter(players.values()))[0]
    figure, (axis,) = new_axes(7, max(2.4, 0.16 * len(order) + 1.0))
    for player, (pieces, ratio) in players.items():
        height = [order.index(piece) for piece in pieces if piece in order]
        shown = [r for piece, r in zip(pieces, ratio, strict=True) if piece in order]
        axis.plot(
            shown,
            height,
            "o",
            ms=4,
            alpha=0.85,
            color=COLOURS.get(player),
            label=LABELS.get(player, player),
        )
    axis.set_yticks(range(len(order)), [piece[:40] for piece in order], fontsize=6)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.7, len(order) - 0.3))
    axis.set_xlabel("share of onsets reached")
    axis.legend(frameon=False, loc="lower center", ncols=4, fontsize=7, bbox_to_anchor=(0.4, 1))
    return figure


def _draw_errors(games: Sequence[PlayedGame]) -> Any:
    """Tracking error over time of a few games, from the one lost earliest to the longest kept."""
    shares = [(count_onsets(g).n_reached / len(g.onset_frames), name_of(g)) for g in games]
    order = sorted(range(len(games)), key=lambda i: shares[i])
    chosen = np.unique(np.linspace(0, len(order) - 1, N_GAMES_SHOWN).round().astype(int))
    figure, axes = new_axes(7, 1.6 * len(chosen) + 0.4, rows=len(chosen))
    for axis, index in zip(axes, chosen, strict=True):
        _draw_game(axis, games[order[index]])
    axes[-1].set_xlabel("time since the first onset (s)")
    figure.supylabel("tracking error (px)", fontsize=9)
    return figure


def draw_real(games: Mapping[str, PlayedGame], title: str) -> Any:
    """Tracking error over time of one game of each player, all of the same performance."""
    figure, axes = new_axes(7, 1.4 * len(games) + 0.8, rows=len(games))
    for axis, (player, game) in zip(axes, games.items(), strict=True):
        _draw_game(axis, game)
        lost = ", lost" if game.lost else ""
        axis.set_title(LABELS.get(player, player) + lost, fontsize=8, loc="left")
    axes[-1].set_xlabel("time since the first onset (s)")
    figure.supylabel("tracking error (px)", fontsize=9)
    figure.suptitle(title, fontsize=9)
    return figure


def _draw_game(axis: Axes, game: PlayedGame) -> None:
    seconds = np.arange(len(game.error_px) + 1) / FPS
    error = np.concatenate([[0.0], game.error_px])
    axis.axhspan(-game.threshold_px, game.threshold_px, color="#1f5fa8", alpha=0.06, lw=0)
    axis.plot(seconds, error, color=COLOURS["agent"], lw=1)
    if game.lost:
        # On the edge where the target went out of reach, however far the follower jumped.
        edge = np.clip(error[-1], -game.threshold_px, game.threshold_px)
        axis.plot(seconds[-1], edge, "x", color=LOST, ms=7, mew=2, clip_on=False)
    last = (game.onset_frames[-1] - game.start_frame) / FPS
    axis.set(xlim=(0, last), ylim=(-1.1 * game.threshold_px, 1.1 * game.threshold_px))
    axis.set_title(name_of(game) + (", lost" if game.lost else ""), fontsize=8, loc="left")
    axis.tick_params(labelsize=7)
