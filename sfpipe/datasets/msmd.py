"""MSMD: the 467 piano pieces of its cleaned split, from their LilyPond sources (Mutopia Project).

The original (M. Dorfer et al., 2018) was engraved from the same sources with an automatic
alignment. Here only the sources and the split are taken; what is made of them is sfpipe's own.
"""

from __future__ import annotations

import hashlib
import posixpath
import re

from sfpipe.datasets.dataset import Dataset, DatasetPieces, Request
from sfpipe.datasets.fetch import fetch_files
from sfpipe.datasets.index import Piece
from sfpipe.datasets.split import read_split, take
from sfpipe.notation.abc_text import decode

SPLIT = "msmd_split.csv"
_INCLUDE = re.compile(r'\\include\s*"([^"]+)"')
_FIELD = r'^[^%\n]*?\b{name}\s*=\s*(?:#?"([^"\n]*)"|(\\markup.*))'
_CREATIVE = re.compile(
    r"(?:creative\s*commons|\bcc)\W*(?:org/licenses/)?"
    r"(?P<kind>by(?:-nc)?(?:-sa|-nd)?\b|attribution[\s-]*(?:non-?commercial)?[\s-]*"
    r"(?:share[\s-]*alike|no-?deriv\w*)?)"
    r"(?:/|\s|\(\w+\)|licen[sc]e|international|v)*(?P<version>\d\.\d)?",
    re.IGNORECASE,
)


def load_msmd(dataset: Dataset, request: Request) -> DatasetPieces:
    """The pieces, each with its title, its licence, and the files that it includes.

    `max_pieces` takes as `sfpipe.datasets.split.take` does; the split itself is MSMD's own.

    Raises
    ------
    SfpipeError
        As `fetch_files`.
    """
    files = fetch_files(dataset, mirror=request.mirror)
    rows = {row["piece"]: row for row in read_split(SPLIT)}
    splits = {name: row["split"] for name, row in rows.items()}
    chosen = take(splits, request.max_pieces, request.seed)
    return DatasetPieces([_piece(rows[name], files) for name in chosen], files)


def included(source: str, files: dict[str, bytes]) -> list[str]:
    r"""Paths of all files that `source` includes, directly or through others, without itself.

    LilyPond looks beside the including file first, then beside the main one; what is not in
    `files` is LilyPond's own (``english.ly``).
    """
    paths: list[str] = []
    todo = [source]
    while todo:
        path = todo.pop()
        for name in _INCLUDE.findall(decode(files[path])):
            for folder in (posixpath.dirname(path), posixpath.dirname(source)):
                candidate = posixpath.normpath(posixpath.join(folder, name))
                if candidate in files and candidate not in (source, *paths):
                    paths.append(candidate)
                    todo.append(candidate)
                    break
    return sorted(paths)


def licence_of(texts: list[str]) -> str:
    """The licence that the headers of a piece's files name; ``unknown`` if they name none."""
    for name in ("license", "licence", "copyright"):
        for text in texts:
            for plain, markup in re.findall(_FIELD.format(name=name), text, re.MULTILINE):
                licence = _licence(plain or markup)
                if licence:
                    return licence
    return "unknown"


def title_of(text: str, default: str) -> str:
    """The title in the header, if it is plain text."""
    match = re.search(_FIELD.format(name="title"), text, re.MULTILINE)
    return (match[1] if match else None) or default


def _licence(text: str) -> str | None:
    """A licence's short name, found in the words or the link of a header line."""
    if re.search(r"public\s*domain", text, re.IGNORECASE):
        return "Public Domain"
    match = _CREATIVE.search(text)
    if match is None:
        return None
    kind = match["kind"].lower()
    short = "BY"
    short += "-NC" if "nc" in kind or "noncommercial" in kind.replace("-", "") else ""
    short += "-SA" if "sa" in kind or "share" in kind else ""
    short += "-ND" if "nd" in kind or "deriv" in kind else ""
    return f"CC {short} {match['version'] or ''}".strip()


def _piece(row: dict[str, str], files: dict[str, bytes]) -> Piece:
    source = row["source"]
    others = included(source, files)
    texts = [decode(files[name]) for name in (source, *others)]
    return Piece(
        id=row["piece"],
        title=title_of(texts[0], row["piece"]),
        split=row["split"],
        source=source,
        sha256=_digest(files[source]),
        licence=licence_of(texts),
        includes={name: _digest(files[name]) for name in others},
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
