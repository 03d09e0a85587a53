"""Stage `evaluate`: stores and an agent -> metrics/eval.json, metrics/pieces.csv, plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sfpipe.agents.hardware import computing_threads
from sfpipe.evaluation.error_analysis import write_closeup
from sfpipe.evaluation.report import piece_lines, summary, write_evaluation
from sfpipe.following.agents import load_examinee
from sfpipe.following.evaluation_set import load_programme
from sfpipe.params import EvaluateParams


def evaluate(
    params: EvaluateParams,
    scores: Path,
    spectrograms: Path,
    agent: Path,
    out: Path,
    *,
    seed: int,
    quiet: bool = False,
) -> dict[str, Any]:
    """Play every performance of a split with the agent, the planner and at constant speed.

    Parameters
    ----------
    agent:
        Folder of weights and `agent.json`.
    out:
        Folder of `eval.json`, `pieces.csv`, `plots/`.
    quiet:
        Do not print the pieces and the table.

    Returns
    -------
    dict
        The content of `eval.json`.

    Raises
    ------
    SfpipeError
        If a store or the agent cannot be read, the agent is one for other strips, or the split is
        empty.
    """
    examinee = load_examinee(params, agent, scores, seed)
    card, window, device = examinee.card, examinee.window, examinee.device
    programme = load_programme(scores, spectrograms, window, split=params.split, device=device)
    with computing_threads(params.threads):
        results = {
            name: entrant.play(programme, params.trials)
            for name, entrant in examinee.entrants.items()
        }
    meta = {
        "dataset": programme.dataset,
        "split": params.split,
        "algo": card.get("algo"),
        "window": window.name,
        "policy": examinee.policy,
        "agent_frames": card.get("frames"),
        "agent_hours": card.get("hours"),
    }
    written = write_evaluation(results, out_dir=out, meta=meta, seed=seed)
    write_closeup(results["agent"], programme.bank, programme.scores, out / "plots")
    if not quiet:
        print(piece_lines(results["agent"]))
        print(summary(written))
    return written
