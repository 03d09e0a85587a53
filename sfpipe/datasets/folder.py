"""A user's own folder of melodies: ABC (also tune books), MusicXML, .mxl, MIDI."""

from __future__ import annotations

from pathlib import Path

from sfpipe.datasets.dataset import Dataset, Request
from sfpipe.datasets.tunes import Tune, read_tune, slug
from sfpipe.errors import SfpipeError
from sfpipe.files import read_bytes
from sfpipe.notation.abc_text import decode, header, split_tunes
from sfpipe.notation.files import ABC_SUFFIXES, SUFFIXES


def read_folder(dataset: Dataset, request: Request) -> tuple[list[Tune], dict[str, str]]:
    """The tunes of the folder that `download.folders` declares; errors as `folder_tunes`."""
    return folder_tunes(Path(request.params.folders[dataset.name].path))


def folder_tunes(folder: Path) -> tuple[list[Tune], dict[str, str]]:
    """All tunes below `folder`, and the files that could not be read with the reason.

    Raises
    ------
    SfpipeError
        If the folder does not exist or holds no file of a known kind.
    """
    if not folder.is_dir():
        raise SfpipeError(
            "no such folder", file=folder, remedy="correct download.folders in params.yaml"
        )
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES)
    if not paths:
        raise SfpipeError(
            "holds no melodies",
            file=folder,
            remedy=f"put files of these kinds into it: {', '.join(SUFFIXES)}",
        )
    tunes: list[Tune] = []
    unreadable: dict[str, str] = {}
    taken: set[str] = set()
    for path in paths:
        try:
            content = read_bytes(path, remedy="check who may read it")
            for title, suffix, part in _parts(path, content):
                name = _free(slug("_".join([*path.relative_to(folder).parts[:-1], title])), taken)
                source = f"{name}{suffix}"
                tune = read_tune(name, "", {source: part}, source)
                if tune.unusable:
                    unreadable[_listed(path, folder, title)] = tune.unusable
                else:
                    tunes.append(tune)
        except (SfpipeError, OSError) as error:
            what = error.what if isinstance(error, SfpipeError) else str(error)
            unreadable[str(path.relative_to(folder))] = what
    return tunes, unreadable


def _parts(path: Path, content: bytes) -> list[tuple[str, str, bytes]]:
    """(name, suffix, content) of each tune in a file."""
    suffix = path.suffix.lower()
    if suffix not in ABC_SUFFIXES:
        return [(path.stem, suffix, content)]
    tunes = split_tunes(decode(content))
    if not tunes:
        raise SfpipeError("has no tune (no line begins with X:)", file=path)
    if len(tunes) == 1:
        return [(path.stem, suffix, tunes[0].encode())]
    return [(f"{path.stem}-{header(t).get('X', '')}", suffix, t.encode()) for t in tunes]


def _free(name: str, taken: set[str]) -> str:
    free, n = name, 2
    while free.lower() in taken:  # file systems that ignore case
        free, n = f"{name}_{n}", n + 1
    taken.add(free.lower())
    return free


def _listed(path: Path, folder: Path, title: str) -> str:
    """How a tune that cannot be read is named: its file, and which tune of a book."""
    name = str(path.relative_to(folder))
    return name if title == path.stem else f"{name}: {title}"
