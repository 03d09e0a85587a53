"""`index.json` of a raw data set: what was downloaded, and whether it is still all there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from sfpipe.files import plain_path, read_json, sha256
from sfpipe.parallel import Name

# A file's place below the folder of the index.
Place = Annotated[str, AfterValidator(plain_path)]


@dataclass(frozen=True)
class Piece:
    """One entry of the index; file names are relative to the folder of `index.json`.

    `includes`: name -> SHA-256 of the files that the source includes (LilyPond). `engine`:
    of a MusicXML source that is a
    whole score, not a melody: ``verovio``, or ``lilypond``. `performances`: name -> SHA-256 of the
    files of human performances.
    """

    id: Name
    title: str
    split: Annotated[str, Field(pattern="^(train|valid|test)$")]
    source: Place
    sha256: str
    licence: str
    header: Place | None = None
    header_sha256: str | None = None
    includes: dict[Place, str] | None = None
    engine: str | None = None
    performances: dict[Place, str] | None = None


@dataclass
class Validation:
    """File names that an index lists but the folder lacks, and those whose content differs."""

    missing: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return not self.missing and not self.invalid


@dataclass(frozen=True)
class Index:
    """The content of `index.json`."""

    dataset: str
    licence: str
    citation: str
    pieces: list[Piece]
    rejected: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; keys without a value are left out of the pieces."""
        pieces = [{k: v for k, v in vars(p).items() if v is not None} for p in self.pieces]
        return {**vars(self), "pieces": pieces}

    def files(self) -> dict[str, str]:
        """Name -> SHA-256 of every file; several pieces may include one."""
        files: dict[str, str] = {}
        for piece in self.pieces:
            files |= {piece.source: piece.sha256, **(piece.includes or {})}
            files |= piece.performances or {}
            if piece.header is not None:
                files[piece.header] = piece.header_sha256 or ""
        return files


def read_index(folder: Path) -> Index:
    """Read ``folder/index.json``.

    Raises
    ------
    SfpipeError
        If the file is missing, is not JSON, lacks a field, or names a file outside of `folder`.
    """
    return read_json(folder / "index.json", remedy="run: sfpipe download", schema=Index)


def write_index(folder: Path, index: Index) -> None:
    """Write ``folder/index.json``; `folder` exists."""
    text = json.dumps(index.as_dict(), indent=2, ensure_ascii=False)
    (folder / "index.json").write_text(text + "\n", "utf-8")


def validate(folder: Path) -> Validation:
    """Compare the files of a raw data set with its index: missing and invalid separately.

    Raises
    ------
    SfpipeError
        If there is no index.
    """
    result = Validation()
    for name, digest in read_index(folder).files().items():
        if not (folder / name).is_file():
            result.missing.append(name)
        elif sha256(folder / name) != digest:
            result.invalid.append(name)
    return result
