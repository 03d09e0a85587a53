"""`evaluate --real-performances`: everybody, human performances, four conditions (Table 4).

Writes ``metrics/real.json``::

    conditions   condition -> entrant -> figures, those of a player in eval.json
    labels       condition -> its name in tables; a simulated one says so
    simulated    condition -> whether its sound is simulated
    coverage     recordings without an alignment: "piece/performance" -> entrant -> figures
    meta         data set, window, trials, seed

and ``metrics/plots/real_<condition>.png``: the tracking error of one performance over time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sfpipe.agents.agent import load_agent
from sfpipe.agents.hardware import choose_bfloat16, choose_device, keep_memory
from sfpipe.agents.rollout import Actor
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.counting import count_onsets
from sfpipe.evaluation.coverage import cover
from sfpipe.evaluation.entrants import Entrant, agent_and_yardsticks
from sfpipe.evaluation.games import LABELS
from sfpipe.evaluation.plots import draw_real
from sfpipe.evaluation.programme import Programme
from sfpipe.evaluation.report import _figures, _plain
from sfpipe.files import replacing, write_json
from sfpipe.game.following import Follower
from sfpipe.game.play import PlayedGame
from sfpipe.live.follower import AgentFollower
from sfpipe.params import EvaluateParams
from sfpipe.real.conditions import CONDITIONS, label
from sfpipe.store.reader import PerformanceRecord, dataset_of
from sfpipe.store.records import load_records
from sfpipe.store.window import window_by_name

Results = dict[str, dict[str, list[PlayedGame]]]  # condition -> entrant -> games


def evaluate_real(
    params: EvaluateParams,
    scores: Path,
    performances: Path,
    agent: Path,
    out: Path,
    *,
    seed: int,
    others: Mapping[str, Entrant] | None = None,
    followers: Mapping[str, Follower] | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Let everybody follow every human performance under every condition.

    Parameters
    ----------
    params:
        `real_trials` games of each performance where there is chance.
    performances:
        Store that `sfpipe performances` (or an import) wrote.
    agent:
        Folder of weights and `agent.json`; its window is that of all.
    others:
        Who else takes part, by name.
    followers:
        Who besides the agent follows recordings without an alignment.

    Returns
    -------
    dict
        The content of `real.json`.

    Raises
    ------
    SfpipeError
        If a store or the agent cannot be read, or holds no human performances.
    """
    device = choose_device(params.device)
    keep_memory()
    network, card = load_agent(agent, device)
    window = window_by_name(card["window"])
    strips, records = load_records(scores, performances, window)
    by_condition = group(records, performances)
    generator = torch.Generator(device).manual_seed(seed)
    actor = Actor(network, generator, choose_bfloat16(params.precision, device))
    entrants: dict[str, Entrant] = {
        **agent_and_yardsticks(
            actor, deterministic=params.deterministic, px_per_frame=card.get("px_per_frame")
        ),
        **(others or {}),
    }
    results: Results = {}
    for condition, heard in by_condition.items():
        programme = Programme(strips, heard, window, dataset_of(scores), device)
        results[condition] = {
            name: entrant.play(programme, params.real_trials) for name, entrant in entrants.items()
        }
    unaligned = [record for record in records if record.condition and not record.aligned]
    heard_by: dict[str, Follower] = {"agent_argmax": AgentFollower(network), **(followers or {})}
    threshold = float(window.threshold_px)
    coverage = {
        f"{record.piece}/{record.performance}": {
            name: _covered(follower, strips[record.piece], record, threshold)
            for name, follower in heard_by.items()
        }
        for record in unaligned
    }
    simulated = {
        condition: any(record.simulated for record in heard)
        for condition, heard in by_condition.items()
    }
    written = {
        "conditions": {
            condition: {name: _figures(games, seed) for name, games in of_condition.items()}
            for condition, of_condition in results.items()
        },
        "labels": {c: label(c, simulated[c]) for c in by_condition},
        "simulated": simulated,
        "coverage": coverage,
        "meta": {
            "dataset": dataset_of(scores),
            "window": window.name,
            "algo": card.get("algo"),
            "trials": params.real_trials,
            "policy": "argmax" if params.deterministic else "stochastic",
            "seed": seed,
            "performances": {c: len(heard) for c, heard in by_condition.items()},
        },
    }
    write_json(out / "real.json", _plain(written))
    _plot(results, written["labels"], out / "plots")
    if not quiet:
        print(table(written))
    return written


def group(records: Sequence[PerformanceRecord], file: Path) -> dict[str, list[PerformanceRecord]]:
    """The aligned human performances by condition, in the order of difficulty.

    Raises
    ------
    SfpipeError
        If there are no human performances at all.
    """
    human = [record for record in records if record.condition]
    if not human:
        raise SfpipeError(
            "holds no human performances",
            file=file,
            remedy="run: sfpipe performances --dataset vienna4x22",
        )
    names = dict.fromkeys(r.condition for r in human)
    order = [*(c for c in CONDITIONS if c in names), *(c for c in names if c not in CONDITIONS)]
    grouped = {c: [r for r in human if r.condition == c and r.aligned] for c in order}
    return {condition: heard for condition, heard in grouped.items() if heard}


def table(evaluation: Mapping[str, Any], labels: Mapping[str, str] = LABELS) -> str:
    """R_tue, R_on and mean |dx| in cm of every entrant under every condition, as text."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    shown.add_column("R_tue / R_on / |dx| cm", no_wrap=True)
    conditions = evaluation["conditions"]
    for condition in conditions:
        shown.add_column(evaluation["labels"][condition], justify="right", no_wrap=True)
    for entrant in dict.fromkeys(name for of in conditions.values() for name in of):
        cells = [_cell(of.get(entrant)) for of in conditions.values()]
        shown.add_row(labels.get(entrant, entrant), *cells)
    console = Console(width=140, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(shown)
    lines = [line.rstrip() for line in capture.get().strip("\n").splitlines()]
    for name, covered in evaluation["coverage"].items():
        for entrant, figures in covered.items():
            end = "reached the end" if figures["reached_end"] else "did not reach the end"
            who = labels.get(entrant, entrant)
            lines.append(f"{name} (no alignment): {who} covered {figures['share']:.0%}, {end}")
    return "\n".join(lines)


def _cell(figures: Mapping[str, Any] | None) -> str:
    if figures is None:
        return "-"
    numbers = (figures["r_tue"], figures["r_on"], figures["abs_dx_cm"]["mean"])
    return " / ".join("-" if n is None or np.isnan(n) else f"{n:.2f}" for n in numbers)


def _covered(
    follower: Follower, score: Any, record: PerformanceRecord, threshold_px: float
) -> dict[str, Any]:
    found = cover(follower, score, record, threshold_px)
    return {"share": found.share, "reached_end": found.reached_end}


def _plot(results: Results, labels: Mapping[str, str], out: Path) -> None:
    """Of every condition the same performance: the agent's middle one where it is hardest."""
    if not results:
        return
    hardest = list(results.values())[-1]
    games = next(iter(hardest.values()))
    ratio: dict[tuple[str, str], list[float]] = {}
    for game in games:
        count = count_onsets(game)
        key = (game.piece, _performer(game))
        ratio.setdefault(key, []).append(count.n_reached / count.n_onsets)
    ordered = sorted(ratio, key=lambda key: (float(np.mean(ratio[key])), key))
    chosen = ordered[len(ordered) // 2]
    for condition, of_condition in results.items():
        first = {
            name: next((g for g in games if (g.piece, _performer(g)) == chosen), None)
            for name, games in of_condition.items()
        }
        found = {name: game for name, game in first.items() if game is not None}
        if not found:
            continue
        title = f"{labels[condition]}: {chosen[0]}, {chosen[1]}"
        figure = draw_real(found, title)
        with replacing(out / f"real_{condition}.png") as temporary:
            figure.savefig(temporary, dpi=120, metadata={"Software": None})


def _performer(game: PlayedGame) -> str:
    """The performance's name without its condition."""
    return game.performance.rpartition("-")[0] or game.performance
