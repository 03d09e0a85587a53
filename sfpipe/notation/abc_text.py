"""The text of ABC files: tunes of a book, logical lines of a tune, macros."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from sfpipe.errors import SfpipeError
from sfpipe.notation.score import LETTERS

MAX_TUNE = 200_000  # characters; the longest tune of the collections has 3,000
# A letter and a colon; in music "G:|" and "e::d" are a note before a repeat sign.
_FIELD = re.compile(r"([A-Za-z+]):(?![|:])[ \t]*(.*)")
_COMMENT = re.compile(r"(?<!\\)%.*")
_BLOCK = re.compile(r"%%begin(\w+)")


def decode(content: bytes) -> str:
    """Text of an ABC file: UTF-8, else Latin-1 (older collections)."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def split_tunes(text: str) -> list[str]:
    """The tunes of a tune book, each from its ``X:`` line; the file's header goes to each."""
    text = re.sub(r"\r\n?", "\n", text).removeprefix("\ufeff")
    head, *tunes = re.split(r"(?m)^(?=X:)", text)
    shared = "".join(
        f"{line}\n" for line in head.split("\n") if _FIELD.match(line) or line.startswith("%%")
    )
    return [re.sub(r"^(X:.*\n?)", lambda m: m[1] + shared, tune, count=1) for tune in tunes]


def header(tune: str) -> dict[str, str]:
    """First value of each header field up to and including ``K:``, without comments."""
    fields: dict[str, str] = {}
    for letter, value in logical_lines(tune):
        if letter.isalpha():
            fields.setdefault(letter, value)
            if letter == "K":
                break
    return fields


def logical_lines(tune: str) -> Iterator[tuple[str, str]]:
    """(letter, value) of each field, ("%%", text) of directives and ("", text) of music.

    Comments, text blocks and what follows the blank line after the tune are left out; ``+:``
    lines are joined to the field they continue, and ``I:`` counts as a directive.

    Raises
    ------
    SfpipeError
        If the tune is longer than 200,000 characters.
    """
    if len(tune) > MAX_TUNE:
        raise SfpipeError(f"has {len(tune):,} characters, at most {MAX_TUNE:,} are read")
    waiting: tuple[str, str] | None = None
    for letter, value in _lines(tune):
        if letter == "+" and waiting:
            waiting = (waiting[0], f"{waiting[1]} {value}")
            continue
        if waiting:
            yield waiting
            waiting = None
        if letter.isalpha():
            waiting = ("%%", value) if letter == "I" else (letter, value)
        elif letter != "+":
            yield letter, value
    if waiting:
        yield waiting


def _lines(tune: str) -> Iterator[tuple[str, str]]:
    block = None
    begun = False
    for line in re.split(r"\r\n?|\n", _unquoted(tune)):
        if block:
            block = None if line.startswith(f"%%end{block}") else block
            continue
        if line.startswith("%%"):
            opening = _BLOCK.match(line)
            block = opening[1] if opening else None
            if not block:
                yield "%%", line[2:].strip()
            continue
        bare = _COMMENT.sub("", line).rstrip()
        if not bare:
            if begun and not line.strip():
                return  # an empty line ends the tune; one with a comment does not
            continue
        match = _FIELD.match(bare)
        begun = True
        yield (match[1], match[2]) if match else ("", bare)


def _unquoted(tune: str) -> str:
    """A tune that was sent by mail as "quoted-printable", in plain text: ``=3Dc`` is ``=c``."""
    if not re.search(r"(?m)=(?:20)?$", tune):
        return tune
    return re.sub(r"(?m)=20$", "", re.sub(r"(?m)=\n", "", tune)).replace("=3D", "=")


class Macros:
    """The macros of a tune: ``m:~G2 = {A}G2``, or with ``n`` for any note."""

    def __init__(self) -> None:
        self._known: list[tuple[str, str]] = []

    def define(self, value: str) -> None:
        """Take the value of an ``m:`` field."""
        target, _, replacement = value.partition("=")
        if target.strip():
            self._known.append((target.strip(), replacement.strip()))

    def expand(self, line: str) -> str:
        """The line with every macro written out once (they do not call each other).

        Raises
        ------
        SfpipeError
            If it becomes longer than 200,000 characters.
        """
        for target, replacement in self._known:
            transposing = _transposing(target) if "n" in target else None
            uses = len(transposing.findall(line)) if transposing else line.count(target)
            if len(line) + uses * len(replacement) > MAX_TUNE:
                raise SfpipeError(f"its macros make more than {MAX_TUNE:,} characters of a line")
            if transposing:
                line = transposing.sub(functools.partial(_at, text=replacement), line)
            else:
                line = line.replace(target, replacement)
        return line


def _transposing(target: str) -> re.Pattern[str]:
    before, _, after = target.partition("n")
    # "n3" is not meant for "n3/2".
    return re.compile(rf"{re.escape(before)}(?P<n>[A-Ga-g][,']*){re.escape(after)}(?![\d/])")


def _at(match: re.Match[str], text: str) -> str:
    """`text` with its letters h to z written as notes relative to the one found, ``n``."""
    note = match["n"]
    octave = note[0].islower() + note.count("'") - note.count(",")
    step = LETTERS.index(note[0].upper()) + 7 * octave
    return re.sub(r"[h-z]", lambda m: _spell(step + ord(m[0]) - ord("n")), text)


def _spell(step: int) -> str:
    octave, letter = divmod(step, 7)
    if octave > 0:
        return LETTERS[letter].lower() + "'" * (octave - 1)
    return LETTERS[letter] + "," * -octave
