"""Stores: what is in them, packing, and other people's data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sfpipe.commands.options import PARAMS, Dataset, ParamsFile, in_group, setting

command = in_group("data")


@command()
def inspect(file: Annotated[Path, typer.Argument(help="An HDF5 store.")]) -> None:
    """Print what is inside an HDF5 store."""
    from sfpipe.store.inspect import describe_store

    print(describe_store(file))


@command()
def pack(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    out: Annotated[Path | None, typer.Option(help="Default: data/packed/<dataset>.h5.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    performances: Annotated[int | None, typer.Option(help="Per piece; default: all.")] = None,
    step: Annotated[float, typer.Option(help="Of the spectrograms' values; 0: exact.")] = 1 / 36,
) -> None:
    """Put what training needs into one small file."""
    from sfpipe.store.pack import pack as put

    _, _, paths = setting(params, dataset)
    packed = put(
        paths.scores,
        paths.spectrograms,
        out or paths.packed,
        splits=split or ("train", "valid"),
        performances=performances,
        step=step,
    )
    print(packed)


@command()
def unpack(
    file: Annotated[Path, typer.Argument(help="File of 'sfpipe pack'.")],
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
) -> None:
    """Make both stores from a packed file."""
    from sfpipe.store.pack import unpack as make

    _, _, paths = setting(params, dataset)
    make(file, paths.scores, paths.spectrograms)
    print(f"{paths.scores}\n{paths.spectrograms}")


@command()
def import_recordings(
    folder: Annotated[Path, typer.Argument(help="Holds <piece>/ with a score and recordings.")],
    dataset: Annotated[str, typer.Option(help="Name of the new data set.")],
    params: ParamsFile = PARAMS,
    melody: Annotated[bool, typer.Option(help="Scores are melodies, not piano music.")] = False,
) -> None:
    """Read your own scores and recordings."""
    from sfpipe.importers.recordings import import_recordings as stage

    p, _, paths = setting(params, dataset)
    outs = (paths.engraved, paths.scores, paths.performances)
    engrave = p.engrave if melody else None
    unconfined = p.engrave.allow_unconfined
    for line in stage(folder, dataset, *outs, melody=engrave, unconfined=unconfined):
        print(line)


@command()
def import_tismir(
    folder: Annotated[Path, typer.Argument(help="Folder with score/ and performance/.")],
    dataset: Annotated[str, typer.Option(help="Name of the new data set.")],
    params: ParamsFile = PARAMS,
    split: Annotated[str, typer.Option(help="Split of all its pieces.")] = "test",
    soundfont: Annotated[str, typer.Option(help="For performances that are MIDI.")] = "FluidR3_GM",
) -> None:
    """Read the 2019 authors' file layout into the stores."""
    from sfpipe.importers.tismir import import_tismir as stage

    p, _, paths = setting(params, dataset)
    stage(
        folder,
        dataset,
        paths.scores,
        paths.spectrograms,
        split=split,
        soundfont=soundfont,
        gain=p.synthesize.gain,
    )


@command()
def import_msmd(
    folder: Annotated[Path, typer.Argument(help="The unpacked archive, or one of its folders.")],
    dataset: Annotated[str, typer.Option(help="Name of the new data set.")],
    params: ParamsFile = PARAMS,
    soundfont: Annotated[str, typer.Option(help="For performances that are MIDI.")] = "FluidR3_GM",
    tempo: Annotated[
        list[int] | None, typer.Option(help="Of MSMD v1.1, in thousandths; default: 1000.")
    ] = None,
) -> None:
    """Read an original MSMD archive into the stores."""
    from sfpipe.importers.msmd_archive import import_msmd as stage

    p, _, paths = setting(params, dataset)
    stage(
        folder,
        dataset,
        paths.scores,
        paths.spectrograms,
        soundfont=soundfont,
        gain=p.synthesize.gain,
        tempi=tempo or [1000],
    )
