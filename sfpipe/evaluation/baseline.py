"""Stage `baseline`: stores and a baseline's name -> metrics/baselines/<name>.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.report import figures_of, piece_lines, summary
from sfpipe.files import write_json
from sfpipe.following.evaluation_set import load_programme
from sfpipe.following.registry import Sources, find_baseline
from sfpipe.params import EvaluateParams
from sfpipe.store.reader import strip_height
from sfpipe.store.window import window_for


def evaluate_baseline(
    name: str,
    params: EvaluateParams,
    sources: Sources,
    out: Path,
    *,
    seed: int,
    train: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Let a baseline follow every performance of a split, judged as agents are.

    The window, which says when the target is lost, is the one agents get for these strips.

    Parameters
    ----------
    out:
        Folder of `<name>.json`.
    train:
        Train its model again; otherwise only if there is none for these parameters and stores.
    quiet:
        Do not print the pieces and the table.

    Returns
    -------
    dict
        The content of the file: as `eval.json`, with the baseline's figures at the top.

    Raises
    ------
    SfpipeError
        If there is no such baseline, what it needs is missing, or the split is empty.
    """
    found = find_baseline(name)
    _train(name, sources, again=train)
    window = window_for(strip_height(sources.scores))
    programme = load_programme(sources.scores, sources.spectrograms, window, split=params.split)
    games = found.entrant(sources).play(programme, params.trials)
    meta = {
        "dataset": programme.dataset,
        "split": params.split,
        "baseline": name,
        "label": found.label,
        "window": window.name,
    }
    evaluation = figures_of({name: games}, name, meta=meta, seed=seed)
    write_json(out / f"{name}.json", evaluation)
    if not quiet:
        print(piece_lines(games))
        print(summary(evaluation, file=out / f"{name}.json"))
    return evaluation


def _train(name: str, sources: Sources, *, again: bool) -> None:
    """Train a baseline's model, if it has one and there is none for these sources, or `again`."""
    if name != "mm-loc":
        if again:
            raise SfpipeError(f"{name} learns nothing", remedy="leave out --train")
        return
    from sfpipe.training.mm_loc_stage import ready_mm_loc

    ready_mm_loc(
        sources.baselines.mm_loc,
        sources.scores,
        sources.spectrograms,
        sources.models / name,
        seed=sources.seed,
        checkpoints=sources.checkpoints,
        again=again,
    )
