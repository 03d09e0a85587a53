"""What a data set is: a declaration that carries its loader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sfpipe.datasets.index import Piece
from sfpipe.params import DownloadParams

SPLIT_RULE = (
    "monophonic tunes in groups of near-duplicates (title or melody); seeded; "
    "187/63/46 (train/valid/test); see sfpipe/datasets/split.py"
)


@dataclass(frozen=True)
class Request:
    """What a run asks of a data set.

    `max_pieces`: None takes all. `mirror`: folder or URL that holds the archives under their
    mirror names, asked instead of the original address.
    """

    params: DownloadParams
    seed: int
    max_pieces: int | None = None
    mirror: str | None = None


@dataclass(frozen=True)
class DatasetPieces:
    """The pieces that a run uses, the content of their files by name, and what was left out why."""

    pieces: list[Piece]
    files: dict[str, bytes]
    rejected: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """The declaration of one data set.

    `load` makes the selection that a request asks for. `url` and `mirror_file` are None where
    nothing is downloaded; `prefix` is the folder inside the archive; `index` names the CSV of
    per-file SHA-256 beside this module. `pieces` is how many are taken unless a number is asked
    for; None: all.
    """

    name: str
    title: str
    homepage: str
    licence: str
    citation: str
    load: Callable[[Dataset, Request], DatasetPieces]
    url: str | None = None
    mirror_file: str | None = None
    prefix: str = ""
    index: str | None = None
    split_rule: str = SPLIT_RULE
    pieces: int | None = 240
