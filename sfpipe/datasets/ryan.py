"""Ryan's Mammoth Collection: 1,059 ABC files that ship inside the music21 package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from sfpipe.datasets.abc import abc_melody, header
from sfpipe.datasets.tunes import Tune, decode, slug
from sfpipe.errors import SfpipeError


def ryan_folder() -> Path:
    """The folder of the ABC files, found without importing music21 (which takes seconds).

    Raises
    ------
    SfpipeError
        If music21 is not installed or was packaged without its corpus.
    """
    spec = importlib.util.find_spec("music21")
    folder = Path(spec.origin or "").parent / "corpus" / "ryansMammoth" if spec else Path()
    if spec is None or not folder.is_dir():
        raise SfpipeError(
            "music21's corpus folder ryansMammoth was not found",
            file=folder if spec else None,
            remedy="pip install --force-reinstall music21",
        )
    return folder


def ryan_tunes(folder: Path | None = None) -> list[Tune]:
    """All tunes in the order of their file names; `folder` defaults to music21's."""
    tunes = []
    for path in sorted((folder or ryan_folder()).glob("*.abc")):
        content = path.read_bytes()
        text = decode(content)
        melody = abc_melody(text)
        name = f"{slug(path.stem)}.abc"
        tunes.append(
            Tune(
                id=slug(path.stem),
                title=header(text).get("T", path.stem),
                files={name: content},
                source=name,
                pitches=melody.pitches,
                not_monophonic=melody.not_monophonic,
            )
        )
    return tunes
