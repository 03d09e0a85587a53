"""Stage `evaluate`: stores and an agent -> metrics/eval.json, metrics/pieces.csv, plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sfpipe.agents.hardware import choose_device
from sfpipe.evaluation.error_analysis import write_closeup
from sfpipe.evaluation.layout import read_layouts
from sfpipe.evaluation.parts import Cast, play_in_parts
from sfpipe.evaluation.report import piece_lines, summary, write_evaluation
from sfpipe.evaluation.sounding import Sounding
from sfpipe.following.evaluation_set import load_evaluation_set
from sfpipe.following.sources import Sources
from sfpipe.params import EvaluateParams


def evaluate(
    params: EvaluateParams,
    scores: Path,
    spectrograms: Path,
    agent: str | Path,
    out: Path,
    *,
    seed: int,
    engraved: Path | None = None,
    quiet: bool = False,
    sounding: Sounding | None = None,
) -> dict[str, Any]:
    """Play every performance of a split with the agent, optimally and at constant speed.

    Parameters
    ----------
    agent:
        Folder of weights and `agent.json`, or the name of a published one.
    out:
        Folder of `eval.json`, `pieces.csv`, `plots/`.
    engraved:
        Folder of the engraved pieces, for what they say of systems, bars and pages.
    quiet:
        Do not print the pieces and the table. The content of `eval.json` is returned.
    sounding:
        What to play instead, and how it sounds; the reference followers know `spectrograms`.

    Raises
    ------
    SfpipeError
        If a store or the agent cannot be read, the agent is one for other strips, or the split is
        empty.
    """
    cast, sources = Cast(params, seed, agent), Sources(scores, spectrograms)
    followers = cast.load(sources)
    follower = followers["agent"]
    device = choose_device(params.device)
    sounding = sounding or Sounding.as_stored(spectrograms)
    sets = [
        load_evaluation_set(scores, store, follower.window, split=params.split, device=device)
        for store in sounding.stores
    ]
    played = sets[0]
    results = play_in_parts(cast, followers, sources, sounding, sets, params.trials)
    meta = {
        "dataset": played.dataset,
        "split": params.split,
        "algo": follower.card.get("algo"),
        "window": follower.window.name,
        "policy": follower.policy,
        "agent_frames": follower.card.get("frames"),
        "agent_hours": follower.card.get("hours"),
        **sounding.meta,
    }
    layouts = read_layouts(engraved, played.scores.values()) if engraved else {}
    written = write_evaluation(results, out_dir=out, meta=meta, seed=seed, layouts=layouts)
    write_closeup(results["agent"], played, out / "plots")
    if not quiet:
        print(piece_lines(results["agent"]))
        print(summary(written))
    return written
