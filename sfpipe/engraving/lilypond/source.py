"""A piece's files, made ready for LilyPond 2.24 in a private folder: UTF-8, current syntax."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from sfpipe.datasets.index import Piece
from sfpipe.engraving.lilypond.musicxml import convert_musicxml
from sfpipe.engraving.lilypond.program import LilyPond
from sfpipe.errors import SfpipeError
from sfpipe.files import read_bytes
from sfpipe.sandbox.jail import plain_file, run_confined

CONVERT_SECONDS = 120
# What convert-ly leaves behind and LilyPond 2.24 cannot do.
_REPAIRS = (
    # A setting as a context's only music: a syntax error.
    (
        re.compile(
            r'(\\(?:context|new)\s+\w+(?:\s*=\s*"?[\w-]+"?)?)(\s+)'
            r"(\\(?:override|revert|set|unset)\s[^\n]*)"
        ),
        r"\1\2{ \3 }",
    ),
    # A shifted note head: a segmentation fault (Beethoven, op. 90).
    (re.compile(r"(?:\\once\s*)?\\override\s+(?:\w+\.)?NoteHead\.X-offset\s*=\s*#-?[\d.]+"), ""),
)
_VERSION = re.compile(r'\\version\s*"\s*([0-9.]+)')
OLDEST = "2.4.0"  # of a source that does not say: convert-ly must be told something


def prepare(piece: Piece, raw: Path, folder: Path, lilypond: LilyPond) -> PurePosixPath:
    """Copy the source and what it includes into `folder` and convert them; path of the source.

    Raises
    ------
    SfpipeError
        If a file is missing, or convert-ly or musicxml2ly fails.
    """
    names = [piece.source, *(piece.includes or {})]
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise SfpipeError("lies outside of the data set", file=name)
        content = read_bytes(raw / name, remedy="run: sfpipe download")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(decode(content), "utf-8")
    if PurePosixPath(piece.source).suffix != ".ly":
        return convert_musicxml(PurePosixPath(piece.source), raw, folder, lilypond)
    _convert(names, folder, lilypond)
    return PurePosixPath(piece.source)


def decode(content: bytes) -> str:
    """Text of a source: UTF-8, else Latin-1 (before 2006), line ends unified."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def version_of(text: str) -> str | None:
    r"""What ``\version`` says, e.g. ``2.18.2``; None without one."""
    found = _VERSION.search(text)
    return found[1].strip(".") if found else None


def _convert(names: list[str], folder: Path, lilypond: LilyPond) -> None:
    """Bring all files to the current syntax, an included file without a version as the source."""
    texts = {name: (folder / name).read_text("utf-8") for name in names}
    own = version_of(texts[names[0]])
    default = own or next(filter(None, map(version_of, texts.values())), OLDEST)
    batches: dict[str | None, list[str]] = {}
    for name, text in texts.items():
        batches.setdefault(None if version_of(text) else default, []).append(name)
    for version, batch in batches.items():
        start = [] if version is None else ["--from", version]
        done = run_confined(
            [str(lilypond.convert_ly), "--loglevel", "ERROR", *start, "-e", *batch],
            folder,
            readable=[lilypond.prefix],
            seconds=CONVERT_SECONDS,
        )
        if done.timed_out or done.signal:
            raise SfpipeError("convert-ly did not end" if done.timed_out else "convert-ly failed")
    for name in names:
        if not plain_file(folder / name):
            raise SfpipeError("convert-ly left no file", file=name)
        text = (folder / name).read_text("utf-8")
        for wrong, right in _REPAIRS:
            text = wrong.sub(right, text)
        (folder / name).write_text(text, "utf-8")
