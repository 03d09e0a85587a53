"""The stages of the pipeline, one command each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from sfpipe.commands.options import (
    PARAMS,
    Dataset,
    Jobs,
    Packed,
    ParamsFile,
    Scheduler,
    app,
    cluster_of,
    setting,
)


@app.command()
def download(params: ParamsFile = PARAMS, dataset: Dataset = None) -> None:
    """Fetch a data set, verify it, split it: data/raw/<dataset>/."""
    from sfpipe.datasets.stage import download as stage

    p, name, paths = setting(params, dataset)
    stage(name, p.download, p.seed, paths.raw, mirror=os.environ.get("SFPIPE_MIRROR"))


@app.command()
def engrave(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    jobs: Jobs = -1,
    scheduler: Scheduler = None,
) -> None:
    """Engrave staff images with exact note-head positions: data/engraved/<dataset>/."""
    from sfpipe.engraving.stage import engrave as stage

    p, _, paths = setting(params, dataset)
    with cluster_of(scheduler):
        stage(p.engrave, paths.raw, paths.engraved, jobs=jobs)


@app.command()
def clean(params: ParamsFile = PARAMS, dataset: Dataset = None) -> None:
    """Reject pieces whose image, note heads and MIDI disagree: data/clean/<dataset>.json."""
    from sfpipe.cleaning.stage import clean as stage

    p, _, paths = setting(params, dataset)
    stage(p.clean, paths.engraved, paths.clean, height_px=p.scores.strip_px)


@app.command()
def synthesize(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    jobs: Jobs = -1,
    scheduler: Scheduler = None,
) -> None:
    """Synthesise audio with FluidSynth: data/audio/<dataset>/."""
    from sfpipe.audio.stage import synthesize as stage

    p, _, paths = setting(params, dataset)
    with cluster_of(scheduler):
        stage(p.synthesize, paths.clean, paths.engraved, paths.audio, seed=p.seed, jobs=jobs)


@app.command()
def spectrograms(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    jobs: Jobs = -1,
    scheduler: Scheduler = None,
) -> None:
    """Compute spectrograms: data/spectrograms/<dataset>.h5."""
    from sfpipe.audio.stage import spectrograms as stage

    p, name, paths = setting(params, dataset)
    with cluster_of(scheduler):
        stage(p.spectrograms, paths.audio, paths.clean, paths.spectrograms, dataset=name, jobs=jobs)


@app.command()
def scores(params: ParamsFile = PARAMS, dataset: Dataset = None) -> None:
    """Unroll the scores into strips: data/scores/<dataset>.h5."""
    from sfpipe.score.stage import scores as stage

    p, name, paths = setting(params, dataset)
    stage(p.scores, paths.clean, paths.engraved, paths.scores, dataset=name)


@app.command()
def performances(params: ParamsFile = PARAMS, dataset: Dataset = None, jobs: Jobs = -1) -> None:
    """Align human performances and make them audible in four conditions: data/real/<dataset>/."""
    from sfpipe.real_performances.stage import performances as stage

    p, name, paths = setting(params, dataset)
    stage(
        p.performances,
        paths.raw,
        paths.engraved,
        paths.clean,
        paths.real,
        dataset=name,
        gain=p.synthesize.gain,
        seed=p.seed,
        jobs=jobs,
    )


@app.command()
def train(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    packed: Packed = None,
    out: Annotated[Path, typer.Option(help="Folder of the agent.")] = Path("models/agent"),
) -> None:
    """Train an agent, or go on where an interrupted training stopped: models/agent/."""
    from sfpipe.training.stage import train as stage

    p, _, paths = setting(params, dataset)
    stage(
        p.train,
        packed or paths.scores,
        packed or paths.spectrograms,
        out,
        algo=p.algo,
        seed=p.seed,
        curves=Path("metrics/train"),
        events=Path("runs"),
        checkpoints=Path("models/checkpoints"),
    )
