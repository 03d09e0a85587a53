"""`evaluate --real-performances`: everybody, human performances, four conditions (Table 4).

Writes ``metrics/real.json``::

    conditions   condition -> label, simulated, estimated (performances whose onsets are estimated
                 from the sound), followers: name -> figures as in eval.json
    coverage     recordings without an alignment: "piece/performance" -> follower -> figures
    meta         data set, window, algorithm, trials, seed

and ``metrics/real/<condition>.png``: the tracking error of one performance over time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.agents.hardware import choose_device
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.coverage import cover
from sfpipe.evaluation.figures import save
from sfpipe.evaluation.layout import ScoreLayout, read_layouts
from sfpipe.evaluation.onset_tracking import count_onsets
from sfpipe.evaluation.parts import Cast, play_in_parts
from sfpipe.evaluation.plots import draw_real
from sfpipe.evaluation.report import figures_of
from sfpipe.evaluation.sounding import Sounding
from sfpipe.evaluation.table import Table, format_number, format_thresholds
from sfpipe.files import write_json
from sfpipe.following.evaluation_set import EvaluationSet
from sfpipe.following.sources import Sources
from sfpipe.game.follower import Follower
from sfpipe.game.play import PlayedGame
from sfpipe.params import EvaluateParams
from sfpipe.real_performances.conditions import CONDITIONS, shown
from sfpipe.real_performances.conditions import LABELS as CONDITION_LABELS
from sfpipe.store.reader import PerformanceRecord, ScoreRecord, dataset_of
from sfpipe.store.records import load_records

Games = dict[str, list[PlayedGame]]  # by follower


def evaluate_real(
    params: EvaluateParams,
    sources: Sources,
    agent: str | Path,
    out: Path,
    *,
    seed: int,
    baselines: Sequence[str] = (),
    quiet: bool = False,
    sounding: Sounding | None = None,
) -> dict[str, Any]:
    """Let everybody follow every human performance under every condition; returns `real.json`.

    Parameters
    ----------
    params:
        `real_trials` games of each performance where there is chance.
    sources:
        What baselines are made from; its `spectrograms` are the store that `sfpipe performances`
        (or an import) wrote.
    agent:
        Folder of weights and `agent.json`; its window is that of all.
    baselines:
        Names of those that take part.
    sounding:
        What to play instead, and how it sounds.

    Raises
    ------
    SfpipeError
        If a store or the agent cannot be read, the agent is one for other strips, there is no such
        baseline, or there are no human performances.
    """
    cast = Cast(params, seed, agent, tuple(baselines))
    followers = cast.load(sources)
    own = followers["agent"]
    card, window = own.card, own.window
    sounding = sounding or Sounding.as_stored(sources.spectrograms)
    scores, records = load_records(sources.scores, sounding.stores[0], window)
    later = [load_records(sources.scores, store, window)[1] for store in sounding.stores[1:]]
    aligned, unaligned = group(records, sources.spectrograms)
    compared = {name: followers[name] for name in baselines}
    rows = {name: one.row for name, one in followers.items()}
    labels = dict(rows.values())
    # Who is asked about recordings without an alignment: all but those that need one.
    certain = own.argmax or own
    covering = {certain.row[0]: certain, **compared}
    dataset = dataset_of(sources.scores)
    device = choose_device(params.device)
    results: dict[str, Games] = {}
    for condition, performances in aligned.items():
        names = {(r.piece, r.performance) for r in performances}
        again = ([r for r in of if (r.piece, r.performance) in names] for of in later)
        sets = [EvaluationSet(scores, of, window, dataset, device) for of in (performances, *again)]
        played = play_in_parts(cast, followers, sources, sounding, sets, params.real_trials)
        results[condition] = {rows[name][0]: games for name, games in played.items()}
    threshold = float(window.threshold_px)
    layouts = read_layouts(sources.engraved, scores.values())
    written = {
        "conditions": {
            condition: {
                "label": label_of(condition, aligned[condition]),
                "simulated": any(record.simulated for record in aligned[condition]),
                "performances": len(aligned[condition]),
                "estimated": sum(record.estimated for record in aligned[condition]),
                "followers": _figures(games, labels, seed, layouts),
            }
            for condition, games in results.items()
        },
        "coverage": {
            f"{record.piece}/{record.performance}": {
                name: _covered(follower, scores[record.piece], record, threshold)
                for name, follower in covering.items()
            }
            for record in unaligned
        },
        "meta": {
            "dataset": dataset,
            "window": window.name,
            "agent": own.name,
            "algo": card.get("algo"),
            "agent_frames": card.get("frames"),
            "policy": own.policy,
            "trials": params.real_trials,
            "seed": seed,
            **sounding.meta,
        },
    }
    write_json(out / "real.json", written)
    _plot(results, written, out / "real")
    if not quiet:
        print(describe_evaluation(written))
    return written


def group(
    records: Sequence[PerformanceRecord], file: Path
) -> tuple[dict[str, list[PerformanceRecord]], list[PerformanceRecord]]:
    """The aligned human performances by condition, easiest first, and those not aligned.

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
    aligned = {condition: playable for condition, playable in grouped.items() if playable}
    return aligned, [record for record in human if not record.aligned]


def label_of(condition: str, records: Sequence[PerformanceRecord]) -> str:
    """What a condition is called in tables and plots.

    Nobody shall take onsets that are estimated for known ones, so the label says how many are, and
    the mean confidence in them.
    """
    label = CONDITION_LABELS.get(condition, condition)
    estimated = [record.confidence for record in records if record.estimated]
    if not estimated:
        return label
    some = "" if len(estimated) == len(records) else f" of {len(estimated)} of {len(records)}"
    return f"{label}, onsets{some} estimated (confidence {np.mean(estimated):.2f})"


def describe_evaluation(evaluation: Mapping[str, Any]) -> str:
    """R_tue, R_on and mean |dx| in cm of every follower under every condition, as text."""
    conditions = evaluation["conditions"]
    heads = [shown(of["label"], of["simulated"]) for of in conditions.values()]
    every = {
        name: figures for of in conditions.values() for name, figures in of["followers"].items()
    }
    by_condition = [of["followers"] for of in conditions.values()]
    rows, shares = (
        [
            (figures["label"], *(cell(followers.get(name)) for followers in by_condition))
            for name, figures in every.items()
        ]
        for cell in (_cell, format_thresholds)
    )
    table = Table(("R_tue / R_on / |dx| cm", *heads), rows)
    whole = Table(("within 0.1 / 0.5 / 1 s, lost or not", *heads), shares)
    lines = [one.to_text(width=140) for one in (table, whole)] if conditions else []
    for name, covered in evaluation["coverage"].items():
        for follower, figures in covered.items():
            end = "reached the end" if figures["reached_end"] else "did not reach the end"
            share = f"{figures['share']:.0%} of the strip"
            lines.append(f"{name} (no alignment): {follower} covered {share}, {end}")
    return "\n".join(lines)


def _figures(
    games: Games, labels: Mapping[str, str], seed: int, layouts: Mapping[str, ScoreLayout]
) -> dict[str, Any]:
    """Figures of every follower, with its label."""
    first = next(iter(games))
    whole = figures_of(games, first, meta={}, seed=seed, layouts=layouts)
    others = whole.pop("players")
    whole.pop("meta")
    return {name: {**f, "label": labels[name]} for name, f in {first: whole, **others}.items()}


def _cell(figures: Mapping[str, Any] | None) -> str:
    if figures is None:
        return "-"
    numbers = (figures["r_tue"], figures["r_on"], figures["abs_dx_cm"]["mean"])
    return " / ".join(format_number(n) for n in numbers)


def _covered(
    follower: Follower, score: ScoreRecord, record: PerformanceRecord, threshold_px: float
) -> dict[str, Any]:
    coverage = cover(follower, score, record, threshold_px)
    return {"share": coverage.share, "reached_end": coverage.reached_end}


def _plot(results: Mapping[str, Games], written: Mapping[str, Any], out: Path) -> None:
    """Of every condition the same performance: the agent's middle one where it is hardest."""
    if not results:
        return
    hardest = list(results.values())[-1]
    ratio: dict[tuple[str, str], list[float]] = {}
    for game in next(iter(hardest.values())):
        count = count_onsets(game)
        ratio.setdefault(_played(game), []).append(count.n_reached / count.n_onsets)
    ordered = sorted(ratio, key=lambda key: (float(np.mean(ratio[key])), key))
    chosen = ordered[len(ordered) // 2]
    for condition, by_follower in results.items():
        about = written["conditions"][condition]
        first = {
            about["followers"][name]["label"]: next(
                (g for g in games if _played(g) == chosen), None
            )
            for name, games in by_follower.items()
        }
        played = {name: game for name, game in first.items() if game is not None}
        if not played:
            continue
        title = f"{shown(about['label'], about['simulated'])}: {chosen[0]}, {chosen[1]}"
        save(draw_real(played, title), out / f"{condition}.png", dpi=120)


def _played(game: PlayedGame) -> tuple[str, str]:
    """Piece, and the performance's name without its condition."""
    return game.piece, game.performance.rpartition("-")[0] or game.performance
