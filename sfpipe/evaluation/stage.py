"""Stage `evaluate`: stores and an agent -> metrics/eval.json, metrics/pieces.csv, plots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfpipe.agents.hardware import choose_device, computing_threads
from sfpipe.evaluation.error_analysis import write_closeup
from sfpipe.evaluation.layout import read_layouts
from sfpipe.evaluation.report import piece_lines, summary, write_evaluation
from sfpipe.following.evaluation_set import load_evaluation_set
from sfpipe.following.loaded import LoadedFollower
from sfpipe.following.registry import Sources, load_follower
from sfpipe.params import EvaluateParams


@dataclass(frozen=True)
class Sounding:
    """A spectrogram store whose performances sound otherwise.

    Attributes
    ----------
    described:
        How, for the record.
    """

    store: Path
    described: dict[str, Any]


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
        Another store to play, and how it sounds; the reference followers know `spectrograms`.

    Raises
    ------
    SfpipeError
        If a store or the agent cannot be read, the agent is one for other strips, or the split is
        empty.
    """
    followers = load_agent_and_references(params, Sources(scores, spectrograms), agent, seed=seed)
    follower = followers["agent"]
    device = choose_device(params.device)
    played = load_evaluation_set(
        scores,
        sounding.store if sounding else spectrograms,
        follower.window,
        split=params.split,
        device=device,
    )
    with computing_threads(params.threads):
        results = {name: one.play(played, params.trials) for name, one in followers.items()}
    meta = {
        "dataset": played.dataset,
        "split": params.split,
        "algo": follower.card.get("algo"),
        "window": follower.window.name,
        "policy": follower.policy,
        "agent_frames": follower.card.get("frames"),
        "agent_hours": follower.card.get("hours"),
        **({"sounding": sounding.described} if sounding else {}),
    }
    layouts = read_layouts(engraved, played.scores.values()) if engraved else {}
    written = write_evaluation(results, out_dir=out, meta=meta, seed=seed, layouts=layouts)
    write_closeup(results["agent"], played.bank, played.scores, out / "plots")
    if not quiet:
        print(piece_lines(results["agent"]))
        print(summary(written))
    return written


def load_agent_and_references(
    params: EvaluateParams, sources: Sources, agent: str | Path, *, seed: int
) -> dict[str, LoadedFollower]:
    """An agent, its argmax if there is chance in it, and the reference followers.

    Returns
    -------
    dict
        By their names in eval.json.

    Raises
    ------
    SfpipeError
        As `load_follower`.
    """
    follower = load_follower(
        agent,
        sources,
        device=params.device,
        precision=params.precision,
        deterministic=params.deterministic,
        filter=params.filter,
        seed=seed,
    )
    return {
        "agent": follower,
        **({"agent_argmax": follower.argmax} if follower.argmax else {}),
        "optimal": load_follower("optimal", sources),
        "constant_speed": load_follower("constant-speed", sources),
    }
