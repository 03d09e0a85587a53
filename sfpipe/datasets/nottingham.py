"""Nottingham Database: 14 ABC tune books for metre and key, 1,034 MIDI melodies for the notes.

The notes come from ``MIDI/melody`` (repeats unfolded by the editors), since no importer at hand
reads the repeats of these ABC files as the editors did.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from sfpipe.datasets.dataset import Dataset, Request
from sfpipe.datasets.fetch import fetch_files
from sfpipe.datasets.tunes import Tune, read_tune
from sfpipe.notation.abc_text import decode, header, split_tunes


def read_nottingham(dataset: Dataset, request: Request) -> tuple[list[Tune], dict[str, str]]:
    """The tunes of the repository; errors as `fetch_files`."""
    return nottingham_tunes(fetch_files(dataset, mirror=request.mirror)), {}


def nottingham_tunes(files: dict[str, bytes]) -> list[Tune]:
    """The tunes that have both a melody and an ABC header, from the files of the repository.

    Parameters
    ----------
    files:
        Path in the repository -> content.
    """
    headers: dict[str, str] = {}
    for name, content in files.items():
        path = PurePosixPath(name)
        if path.suffix == ".abc":
            for tune in split_tunes(decode(content)):
                headers.setdefault(path.stem + header(tune).get("X", "").strip(), tune)
    tunes = []
    for name, content in sorted(files.items()):
        path = PurePosixPath(name)
        if path.suffix != ".mid" or path.stem not in headers:
            continue
        abc = headers[path.stem]
        heading = f"{path.stem}.abc"
        files = {path.name: content, heading: abc.encode()}
        title = header(abc).get("T", path.stem)
        tunes.append(read_tune(path.stem, title, files, path.name, heading))
    return tunes
