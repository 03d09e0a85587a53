"""Stores: what is in them, packing, and other people's data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sfpipe.commands.options import DataSet, Jobs, NewSet, in_group

command = in_group("data")

SoundFont = Annotated[str, typer.Option(help="For performances that are MIDI.")]


@command()
def inspect(file: Annotated[Path, typer.Argument(help="An HDF5 store.")]) -> None:
    """Print what is inside an HDF5 store."""
    from sfpipe.store.inspect import describe_store

    print(describe_store(file))


@command()
def pack(
    data: DataSet,
    out: Annotated[Path | None, typer.Option(help="Default: data/packed/<dataset>.h5.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    performances: Annotated[int | None, typer.Option(help="Per piece; default: all.")] = None,
    step: Annotated[float, typer.Option(help="Of the spectrograms' values; 0: exact.")] = 1 / 36,
) -> None:
    """Put what training needs into one small file."""
    from sfpipe.store.pack import pack as put

    _, _, paths = data.load()
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
    data: DataSet,
) -> None:
    """Make both stores from a packed file."""
    from sfpipe.store.pack import unpack as make

    _, _, paths = data.load()
    make(file, paths.scores, paths.spectrograms)
    print(f"{paths.scores}\n{paths.spectrograms}")


@command()
def import_recordings(
    folder: Annotated[Path, typer.Argument(help="Holds <piece>/ with a score and recordings.")],
    data: NewSet,
    melody: Annotated[bool, typer.Option(help="Scores are melodies, not piano music.")] = False,
    piece: Annotated[
        list[str] | None,
        typer.Option(help="Engraved piece of the data set that is played; may be repeated."),
    ] = None,
    jobs: Jobs = -1,
) -> None:
    """Read your own scores and recordings."""
    from sfpipe.importers.recordings import import_recordings as stage

    p, _, paths = data.load()
    stage(folder, p, paths, melody=melody, pieces=piece or (), jobs=jobs)


@command()
def import_tismir(
    folder: Annotated[Path, typer.Argument(help="Folder with score/ and performance/.")],
    data: NewSet,
    split: Annotated[str, typer.Option(help="Split of all its pieces.")] = "test",
    soundfont: SoundFont = "FluidR3_GM",
) -> None:
    """Read the 2019 authors' file layout into the stores."""
    from sfpipe.importers.tismir import import_tismir as stage

    p, dataset, paths = data.load()
    gain = p.synthesize.gain
    outs = (paths.scores, paths.spectrograms)
    stage(folder, dataset, *outs, split=split, soundfont=soundfont, gain=gain)


@command()
def import_msmd(
    folder: Annotated[Path, typer.Argument(help="The unpacked archive, or one of its folders.")],
    data: NewSet,
    soundfont: SoundFont = "FluidR3_GM",
    tempo: Annotated[
        list[int] | None, typer.Option(help="Of MSMD v1.1, in thousandths; default: 1000.")
    ] = None,
) -> None:
    """Read an original MSMD archive into the stores."""
    from sfpipe.importers.msmd_archive import import_msmd as stage

    p, name, paths = data.load()
    tempi, gain = tempo or [1000], p.synthesize.gain
    outs = (paths.scores, paths.spectrograms)
    stage(folder, name, *outs, soundfont=soundfont, gain=gain, tempi=tempi)
