"""One tune of a data set before it is split: its files, title and bare melody."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from sfpipe.errors import SfpipeError
from sfpipe.notation.files import read_score


@dataclass(frozen=True)
class Tune:
    """One tune: `source` is the file that is engraved, `header` an ABC file with metre and key.

    `pitches` are the MIDI pitches as written, repeats not unfolded. `unusable`: why the file cannot
    be read; `not_monophonic`: why it is not a melody of one voice.
    """

    id: str
    title: str
    files: dict[str, bytes]
    source: str
    pitches: tuple[int, ...]
    not_monophonic: str | None = None
    header: str | None = None
    unusable: str | None = None


def read_tune(
    name: str, title: str, files: dict[str, bytes], source: str, header: str | None = None
) -> Tune:
    """The tune in `source`, one of `files`; its title if `title` is empty."""
    try:
        score = read_score(source, files[source], files[header] if header else None)
    except SfpipeError as error:
        return Tune(name, title or name, files, source, (), None, header, error.what)
    shown = title or score.title or name
    return Tune(name, shown, files, source, score.pitches(), score.not_monophonic(), header)


def slug(text: str) -> str:
    """A name of ASCII letters, digits, ``.``, ``_`` and ``-``, safe as a folder and HDF5 group."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip("._-") or "tune"
