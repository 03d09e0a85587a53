"""Tune books that ship inside the music21 package: `ryan`, `oneill`, `aird`."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

from sfpipe.datasets.dataset import Dataset, Request
from sfpipe.datasets.folder import folder_tunes
from sfpipe.datasets.melodies import TuneReader
from sfpipe.datasets.tunes import Tune
from sfpipe.errors import SfpipeError


def corpus_folder(name: str) -> Path:
    """A folder of music21's corpus, located without importing music21 (which takes seconds).

    Raises
    ------
    SfpipeError
        If music21 is not installed or was packaged without its corpus.
    """
    spec = importlib.util.find_spec("music21")
    folder = Path(spec.origin or "").parent / "corpus" / name if spec else Path()
    if spec is None or not folder.is_dir():
        raise SfpipeError(
            f"music21's corpus folder {name} is not there",
            file=folder if spec else None,
            remedy="pip install --force-reinstall music21",
        )
    return folder


def corpus(name: str, prefix: str = "") -> TuneReader:
    """A reader of the tunes in a folder of music21's corpus; `prefix` begins their ids."""

    def read(dataset: Dataset, request: Request) -> tuple[list[Tune], dict[str, str]]:
        tunes, unreadable = folder_tunes(corpus_folder(name))
        return [_with_prefix(prefix, tune) for tune in tunes] if prefix else tunes, unreadable

    return read


def _with_prefix(prefix: str, tune: Tune) -> Tune:
    return replace(
        tune,
        id=prefix + tune.id,
        files={prefix + name: content for name, content in tune.files.items()},
        source=prefix + tune.source,
    )
