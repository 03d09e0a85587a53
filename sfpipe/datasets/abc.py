"""A light reader of ABC: tune books, headers, and the bare pitch sequence of a melody.

It is there to be fast (a millisecond a tune): finding near-duplicates over a whole collection
needs pitches only. Engraving reads ABC with music21.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FIELD = re.compile(r"^([A-Za-z]):[ \t]*(.*?)[ \t]*$")
_SHARPS = {"C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5, "F": -1}
_MODES = {"maj": 0, "ion": 0, "lyd": 1, "mix": -1, "dor": -2, "min": -3, "m": -3}
_MODES |= {"aeo": -3, "phr": -4, "loc": -5, "": 0}
_SEMITONE = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ALTER = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
# What is not melody: comments, quoted text, decorations, grace notes, symbol and lyric lines.
_NOISE = re.compile(r'%.*$|"[^"\n]*"|![^!\n]*!|\{[^}\n]*\}', re.MULTILINE)
_TOKEN = re.compile(
    r"\[K:(?P<key>[^\]\n]*)\]|\[[A-Za-z]:[^\]\n]*\]|(?P<bar>\|)"
    r"|\[(?P<chord>[^\]|:\n]*)\]|(?P<overlay>&)"
    r"|(?P<acc>\^{1,2}|_{1,2}|=)?(?P<letter>[A-Ga-g])(?P<octave>[,']*)"
)


@dataclass(frozen=True)
class AbcMelody:
    """MIDI pitches of an ABC tune as written (repeats not unfolded); why it is not one voice."""

    pitches: tuple[int, ...]
    not_monophonic: str | None


def split_tunes(text: str) -> list[str]:
    """The tunes of a tune book, each from its ``X:`` line; what precedes the first is shared."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    parts = re.split(r"(?m)^(?=X:)", text)
    head, tunes = parts[0], parts[1:]
    shared = "".join(f"{line}\n" for line in head.split("\n") if _FIELD.match(line))
    return [re.sub(r"^(X:.*\n)", lambda m: m[1] + shared, tune, count=1) for tune in tunes]


def header(tune: str) -> dict[str, str]:
    """First value of each header field up to and including ``K:``, without comments."""
    fields: dict[str, str] = {}
    for line in tune.split("\n"):
        match = _FIELD.match(line.split("%")[0])
        if match:
            fields.setdefault(match[1], match[2])
            if match[1] == "K":
                break
    return fields


def key_sharps(key: str) -> int:
    """Number of sharps (negative: flats) of an ABC key such as ``Bb``, ``F#m`` or ``Ador``.

    A key that cannot be read (``HP``, ``none``) counts as no sharps.
    """
    match = re.match(r"\s*([A-G])([#b]?)\s*([A-Za-z]*)", key)
    if not match:
        return 0
    mode = match[3].lower()
    shift = _MODES.get(mode[:3], _MODES["m"] if mode == "m" else 0)
    return _SHARPS[match[1]] + {"#": 7, "b": -7, "": 0}[match[2]] + shift


def abc_melody(tune: str) -> AbcMelody:
    """MIDI pitches of the tune's notes in written order, grace notes left out."""
    voices = set(re.findall(r"(?m)^V:\s*(\S+)|\[V:\s*([^\]\s]+)", tune))
    problem = f"{len(voices)} voices" if len(voices) > 1 else None
    signature = _signature(key_sharps(header(tune).get("K", "")))
    pitches: list[int] = []
    carried: dict[tuple[str, int], int] = {}
    for line in _NOISE.sub("", tune).split("\n"):
        field = _FIELD.match(line)
        if field:
            if field[1] == "K":
                signature = _signature(key_sharps(field[2]))
            continue
        for token in _TOKEN.finditer(line):
            if token["key"] is not None:
                signature = _signature(key_sharps(token["key"]))
            elif token["bar"]:
                carried = {}
            elif token["overlay"]:
                problem = problem or "two voices on one staff"
            elif token["chord"] is not None:
                inner = [m for m in _TOKEN.finditer(token["chord"]) if m["letter"]]
                if len(inner) > 1:
                    problem = problem or "chords"
                pitches += [_pitch(m, signature, carried) for m in inner[-1:]]
            elif token["letter"]:
                pitches.append(_pitch(token, signature, carried))
    return AbcMelody(tuple(pitches), problem)


def _signature(sharps: int) -> dict[str, int]:
    letters = "FCGDAEB"[:sharps] if sharps >= 0 else "BEADGCF"[:-sharps]
    return {letter: 1 if sharps > 0 else -1 for letter in letters}


def _pitch(token: re.Match[str], signature: dict[str, int], carried: dict) -> int:
    letter = token["letter"].upper()
    octave = (
        int(token["letter"].islower()) + token["octave"].count("'") - token["octave"].count(",")
    )
    if token["acc"]:
        carried[letter, octave] = _ALTER[token["acc"]]
    alter = carried.get((letter, octave), signature.get(letter, 0))
    return 60 + 12 * octave + _SEMITONE[letter] + alter
