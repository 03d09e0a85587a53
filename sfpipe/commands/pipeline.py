"""The stages of the pipeline that make data, one command each."""

from __future__ import annotations

import os

from sfpipe.commands.options import PieceSet, Work, in_group

command = in_group("pipeline")


@command()
def download(data: PieceSet) -> None:
    """Fetch a data set, verify it, split it: data/raw/<dataset>/."""
    from sfpipe.datasets.stage import download as stage

    p, name, paths = data.load()
    stage(
        name,
        p.download,
        p.seed,
        paths.raw,
        mirror=os.environ.get("SFPIPE_MIRROR"),
        only=data.pieces,
    )


@command()
def engrave(
    data: PieceSet,
    work: Work,
) -> None:
    """Draw staff images, note heads exact: data/engraved/<dataset>/."""
    from sfpipe.engraving.stage import engrave as stage

    p, _, paths = data.load()
    with work.cluster():
        stage(p.engrave, paths.raw, paths.engraved, jobs=work.jobs, only=data.pieces)


@command()
def clean(
    data: PieceSet,
    work: Work,
) -> None:
    """Reject pieces that contradict themselves: data/clean/."""
    from sfpipe.cleaning.stage import clean as stage

    p, _, paths = data.load()
    with work.cluster():
        stage(
            p.clean,
            paths.engraved,
            paths.clean,
            height_px=p.scores.strip_px,
            jobs=work.jobs,
            only=data.pieces,
        )


@command()
def synthesize(
    data: PieceSet,
    work: Work,
) -> None:
    """Synthesise audio with FluidSynth: data/audio/<dataset>/."""
    from sfpipe.audio.stage import synthesize as stage

    p, _, paths = data.load()
    with work.cluster():
        stage(
            p.synthesize,
            paths.clean,
            paths.engraved,
            paths.audio,
            seed=p.seed,
            raw=paths.raw,
            jobs=work.jobs,
            only=data.pieces,
        )


@command()
def spectrograms(
    data: PieceSet,
    work: Work,
) -> None:
    """Compute spectrograms: data/spectrograms/<dataset>.h5."""
    from sfpipe.audio.stage import spectrograms as stage

    p, name, paths = data.load()
    with work.cluster():
        stage(
            p.spectrograms,
            paths.audio,
            paths.clean,
            paths.spectrograms,
            dataset=name,
            jobs=work.jobs,
            only=data.pieces,
        )


@command()
def scores(
    data: PieceSet,
    work: Work,
) -> None:
    """Unroll the scores into strips: data/scores/<dataset>.h5."""
    from sfpipe.score.stage import scores as stage

    p, name, paths = data.load()
    with work.cluster():
        stage(
            p.scores,
            paths.clean,
            paths.engraved,
            paths.scores,
            dataset=name,
            jobs=work.jobs,
            only=data.pieces,
        )


@command()
def performances(
    data: PieceSet,
    work: Work,
) -> None:
    """Align and record human performances: data/real/<dataset>/."""
    from sfpipe.real_performances.stage import performances as stage

    p, name, paths = data.load()
    with work.cluster():
        stage(
            p.real_performances,
            paths.raw,
            paths.engraved,
            paths.clean,
            paths.real,
            dataset=name,
            gain=p.synthesize.gain,
            seed=p.seed,
            jobs=work.jobs,
            only=data.pieces,
        )
