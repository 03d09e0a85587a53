"""What `sfpipe evaluate` writes and prints: metrics/eval.json, metrics/pieces.csv, tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.metrics import evaluate, tracking_error
from sfpipe.evaluation.onset_tracking import count_onsets
from sfpipe.evaluation.plots import write_plots
from sfpipe.evaluation.table import (
    Table,
    format_interval,
    format_number,
    format_spread,
    format_within,
)
from sfpipe.evaluation.validation import LABELS
from sfpipe.evaluation.whole import WITHIN_S, whole_performance
from sfpipe.files import write_csv, write_json

if TYPE_CHECKING:
    from sfpipe.evaluation.layout import ScoreLayout
    from sfpipe.game.play import PlayedGame

HEADLINE = "agent"
PLACES = {  # of `whole_performance` -> heads of columns
    "right_system": "right\nsystem",
    "right_bar": "right\nbar",
    "right_page_turn": "page\nturned",
}
Layouts: TypeAlias = "Mapping[str, ScoreLayout] | None"


def write_evaluation(
    results: Mapping[str, Sequence[PlayedGame]],
    *,
    out_dir: Path,
    meta: Mapping[str, Any],
    seed: int,
    layouts: Layouts = None,
) -> dict[str, Any]:
    """Write ``eval.json``, ``headline.json``, ``pieces.csv``, ``plots/`` into `out_dir`.

    Parameters
    ----------
    results:
        Player -> its games. ``agent`` is the headline, at the top level of the JSON; the other
        players (``agent_argmax``, ``optimal``, ``constant_speed``) are below ``players``.
    meta:
        What else should be on record (data set, algorithm, revision): plain data.
    seed:
        Seed of the games, and of the bootstrap.
    layouts:
        By piece, where they are known: what is printed together.

    Returns
    -------
    The content of eval.json. Numbers that do not exist (|dx| where no onset was sampled) are null.

    Raises
    ------
    SfpipeError
        If a player has no game or an invalid one, ``agent`` is missing, or a file cannot be
        written.
    """
    if HEADLINE not in results:
        raise SfpipeError(
            f"expected the games of '{HEADLINE}', found those of {sorted(results)}",
            remedy="evaluate the agent together with the players it is compared with",
        )
    evaluation = figures_of(results, HEADLINE, meta=meta, seed=seed, layouts=layouts)
    write_json(out_dir / "eval.json", evaluation)
    write_json(out_dir / "headline.json", headline(evaluation))
    _write_pieces(results, out_dir / "pieces.csv", layouts)
    write_plots(results, out_dir / "plots")
    return evaluation


def figures_of(
    results: Mapping[str, Sequence[PlayedGame]],
    headline: str,
    *,
    meta: Mapping[str, Any],
    seed: int,
    layouts: Layouts = None,
) -> dict[str, Any]:
    """What eval.json and a baseline's file hold: all metrics, counted both ways.

    Parameters
    ----------
    headline:
        The player whose figures are at the top level; the others' are below ``players``.

    Raises
    ------
    SfpipeError
        If a player has no game or an invalid one.
    """
    figures = {player: _figures(games, seed, layouts) for player, games in results.items()}
    games = results[headline]
    return {
        **figures[headline],
        "n_pieces": len({game.piece for game in games}),
        "n_performances": len({(game.piece, game.performance) for game in games}),
        "n_onsets": sum(len(game.onset_frames) for game in games),
        "seed": seed,
        "players": {player: figures[player] for player in results if player != headline},
        "meta": dict(meta),
    }


def headline(evaluation: Mapping[str, Any]) -> dict[str, float | None]:
    """The few figures by which runs are compared, flat, from the content of eval.json.

    ``dvc metrics`` and ``dvc exp show`` make a column of every number in a file, and eval.json
    holds more than a hundred.
    """
    players = {
        f"{player}_r_on": figures["r_on"] for player, figures in evaluation["players"].items()
    }
    return {
        "r_tue": evaluation["r_tue"],
        "r_on": evaluation["r_on"],
        "abs_dx_px": evaluation["abs_dx_px"]["mean"],
        "abs_dx_cm": evaluation["abs_dx_cm"]["mean"],
        "reward": evaluation["reward_mean"],
        **players,
    }


def piece_lines(games: Sequence[PlayedGame]) -> str:
    """One line per piece and performance: ``name  tracking ratio: 0.57``, ``1.00 +`` if whole.

    Trials are pooled; the plus sign says that every trial was followed to the last onset.
    """
    lines = []
    for (piece, performance), group in _groups(games).items():
        counts = [count_onsets(game) for game in group]
        ratio = sum(c.n_reached for c in counts) / sum(c.n_onsets for c in counts)
        plus = " +" if all(c.to_end for c in counts) else ""
        lines.append(f"{piece + ' ' + performance:60} tracking ratio: {ratio:.2f}{plus}")
    return "\n".join(lines)


def summary(evaluation: Mapping[str, Any], *, file: str | Path = "eval.json") -> str:
    """The table of all players, as text, from the content of eval.json.

    95 % intervals stand below the paper's figures. Below the table are the rows that the
    evaluator of 2019 prints: R_tue, R_on, mean and standard deviation of |dx| in cm.

    Raises
    ------
    SfpipeError
        If `evaluation` is not the content of an eval.json.
    """
    try:
        table = tabulate_players(evaluation).to_text()
        rows = [[name, *_reference_cells(f)] for name, f in _players(evaluation).items()]
        n = (
            f"{evaluation['n_pieces']} pieces, {evaluation['n_games']} games"
            f" ({evaluation['trials']} per performance), seed {evaluation['seed']}."
        )
    except (KeyError, TypeError) as error:
        raise SfpipeError(
            f"is not the result of an evaluation (missing: {error})",
            file=file,
            remedy="run sfpipe evaluate",
        ) from None
    notes = f"{n} In brackets: 95 % bootstrap intervals over pieces."
    reference = Table(("player", "R_tue", "R_on", "mean", "std"), rows).to_latex()
    whole = tabulate_whole(evaluation).to_text()
    lines = [table, notes, "Onsets of the whole performance, lost or not:", whole]
    return "\n".join([*lines, "As the evaluator of 2019 prints and counts:", reference])


def _figures(games: Sequence[PlayedGame], seed: int, layouts: Layouts) -> dict[str, Any]:
    figures = evaluate(games, rng=np.random.default_rng(seed))
    figures["whole_performance"] = whole_performance(games, layouts)
    figures["reference_counting"] = evaluate(
        games, rng=np.random.default_rng(seed), counting="reference", n_resamples=0
    )
    figures["n_games"] = len(games)
    figures["n_lost"] = sum(game.lost for game in games)
    figures["trials"] = len({game.trial for game in games})
    figures["reward_mean"] = float(np.mean([game.reward_sum for game in games]))
    return _plain(figures)


def _plain(value: Any) -> Any:
    """Nested plain data with NaN replaced by None: NaN is no JSON."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _groups(games: Sequence[PlayedGame]) -> dict[tuple[str, str], list[PlayedGame]]:
    groups: dict[tuple[str, str], list[PlayedGame]] = {}
    for game in sorted(games, key=lambda g: (g.piece, g.performance, g.trial)):
        groups.setdefault((game.piece, game.performance), []).append(game)
    return groups


def _write_pieces(
    results: Mapping[str, Sequence[PlayedGame]], path: Path, layouts: Layouts
) -> None:
    rows: list[dict[str, Any]] = []
    for player, games in results.items():
        for (piece, performance), group in _groups(games).items():
            row = {"player": player, "piece": piece, "performance": performance}
            rows.append(row | _piece_row(group, layouts))
    write_csv(path, list(rows[0]), [list(row.values()) for row in rows])


def _piece_row(group: Sequence[PlayedGame], layouts: Layouts) -> dict[str, Any]:
    counts = [count_onsets(game) for game in group]
    reference = [count_onsets(game, "reference") for game in group]
    onsets = sum(c.n_onsets for c in counts)
    px_mean, px_std = tracking_error(group)
    whole = whole_performance(group, layouts)
    return {
        "trials": len(group),
        "onsets": counts[0].n_onsets,
        "tracking_ratio": sum(c.n_reached for c in counts) / onsets,
        "pieces_tracked": sum(c.to_end for c in counts),
        "abs_dx_px_mean": px_mean,
        "abs_dx_px_std": px_std,
        "abs_dx_cm_mean": tracking_error(group, unit="cm")[0],
        "reward_mean": float(np.mean([game.reward_sum for game in group])),
        "reference_tracking_ratio": sum(c.n_reached for c in reference) / onsets,
        "reference_pieces_tracked": sum(c.to_end for c in reference),
        **{f"within_{t}_s": share for t, share in whole["within_s"].items()},
        **{name: "" if whole[name] is None else whole[name] for name in PLACES},
    }


def tabulate_players(evaluation: Mapping[str, Any]) -> Table:
    """The figures of all players, from the content of eval.json.

    Raises
    ------
    KeyError, TypeError
        If `evaluation` is not the content of an eval.json.
    """
    heads = ["player", "R_tue", "R_on", "|dx| px", "|dx| cm", "within\n0.5 s"]
    heads += ["R_tue\n(2019)", "R_on\n(2019)", "|dx| cm\n(2019)"]
    players = _players(evaluation)
    return Table(heads, [[name, *_cells(figures)] for name, figures in players.items()])


def tabulate_whole(evaluation: Mapping[str, Any]) -> Table:
    """What is right over whole performances, lost or not; no rows where that is not told.

    Raises
    ------
    KeyError, TypeError
        As `tabulate_players`.
    """
    told = {
        name: figures["whole_performance"]
        for name, figures in _players(evaluation).items()
        if "whole_performance" in figures
    }
    rows = [
        [name, *(format_number(share) for share in whole["within_s"].values())]
        + [format_number(whole[place]) for place in PLACES]
        for name, whole in told.items()
    ]
    heads = [f"within\n{threshold:g} s" for threshold in WITHIN_S]
    return Table(["player", *heads, *PLACES.values()], rows)


def _players(evaluation: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Label -> figures, the headline's first."""
    first = evaluation["meta"].get("label", HEADLINE)
    players = {first: evaluation, **evaluation["players"]}
    return {LABELS.get(player, player): figures for player, figures in players.items()}


def _cells(figures: Mapping[str, Any]) -> list[str]:
    reference, px = figures["reference_counting"], figures["ci95"]["abs_dx_px"]
    return [
        format_within(figures, "r_tue"),
        format_within(figures, "r_on"),
        f"{format_spread(figures['abs_dx_px'], 1)}\n{format_interval(px, 1)}",
        format_spread(figures["abs_dx_cm"]),
        format_number(figures["within_s"]["0.5"]),
        format_number(reference["r_tue"]),
        format_number(reference["r_on"]),
        format_spread(reference["abs_dx_cm"]),
    ]


def _reference_cells(figures: Mapping[str, Any]) -> list[str]:
    reference = figures["reference_counting"]
    cm = reference["abs_dx_cm"]
    values = (reference["r_tue"], reference["r_on"], cm["mean"], cm["std"])
    return [format_number(value) for value in values]
