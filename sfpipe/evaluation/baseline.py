"""Stage `baseline`: stores and a baseline's name -> metrics/baselines/<name>.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.layout import read_layouts
from sfpipe.evaluation.parts import Cast, play_in_parts
from sfpipe.evaluation.report import figures_of, piece_lines, summary
from sfpipe.evaluation.sounding import Sounding
from sfpipe.files import write_json
from sfpipe.following.evaluation_set import load_evaluation_set
from sfpipe.following.registry import FOLLOWERS, unknown_follower
from sfpipe.following.sources import Sources
from sfpipe.params import EvaluateParams


def evaluate_baseline(
    name: str,
    params: EvaluateParams,
    sources: Sources,
    out: Path,
    *,
    seed: int,
    train: bool = False,
    checkpoints: Path | None = None,
    quiet: bool = False,
    sounding: Sounding | None = None,
) -> dict[str, Any]:
    """Let a baseline follow every performance of a split, judged as agents are.

    The window, which says when the target is lost, is the one agents get for these strips.

    Parameters
    ----------
    out:
        Folder of `<name>.json`.
    train:
        Train its model again; otherwise only if there is none for these parameters and stores.
    checkpoints:
        Folder for checkpoints of that training; None saves none.
    quiet:
        Do not print the pieces and the table.
    sounding:
        What to play instead, and how it sounds.

    Returns
    -------
    dict
        The content of the file: as `eval.json`, with the baseline's figures at the top.

    Raises
    ------
    SfpipeError
        If there is no such baseline, what it needs is missing, or the split is empty.
    """
    if name not in FOLLOWERS:
        raise unknown_follower(name)
    _train(name, sources, seed=seed, checkpoints=checkpoints, again=train)
    cast = Cast(params, seed, baselines=(name,), references=False)
    followers = cast.load(sources)
    follower = followers[name]
    sounding = sounding or Sounding.as_stored(sources.spectrograms)
    sets = [
        load_evaluation_set(sources.scores, store, follower.window, split=params.split)
        for store in sounding.stores
    ]
    games = play_in_parts(cast, followers, sources, sounding, sets, params.trials)[name]
    meta = {
        "dataset": sets[0].dataset,
        "split": params.split,
        "baseline": name,
        "label": follower.label,
        "window": follower.window.name,
        **sounding.meta,
    }
    layouts = read_layouts(sources.engraved, sets[0].scores.values())
    evaluation = figures_of({name: games}, name, meta=meta, seed=seed, layouts=layouts)
    write_json(out / f"{name}.json", evaluation)
    if not quiet:
        print(piece_lines(games))
        print(summary(evaluation, file=out / f"{name}.json"))
    return evaluation


def _train(
    name: str, sources: Sources, *, seed: int, checkpoints: Path | None, again: bool
) -> None:
    """Train a baseline's model, if it has one and there is none for these sources, or `again`."""
    if name != "mm-loc":
        if again:
            raise SfpipeError(f"{name} learns nothing", remedy="leave out --train")
        return
    from sfpipe.training.mm_loc import ready_mm_loc

    ready_mm_loc(
        sources.baselines.mm_loc,
        sources.scores,
        sources.spectrograms,
        sources.models / name,
        seed=seed,
        checkpoints=checkpoints,
        again=again,
    )
