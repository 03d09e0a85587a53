"""The fields of ABC 2.1 that change what notes mean: key, clef, metre, length, tempo, parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from sfpipe.errors import SfpipeError
from sfpipe.notation.score import LETTERS, MAX_BEATS, UNITS, Clef, Key, Metre

MAX_PARTS = 500
MAX_DIGITS = 5

_TONIC = dict(zip("FCGDAEB", range(-1, 6), strict=True))
_MODES = {"maj": 0, "ion": 0, "lyd": 1, "mix": -1, "dor": -2, "min": -3, "m": -3}
_MODES |= {"": 0, "ma": 0, "mi": -3, "aeo": -3, "phr": -4, "loc": -5}
_KEY = re.compile(r"([A-Ga-g])([#b♯♭]?)[ \t]*([A-Za-z]*)(?![A-Za-z])")
_ACCIDENTAL = re.compile(r"(\^{1,2}|_{1,2}|=)([A-Ga-g])(?![\w=])")
_PROPERTY = re.compile(
    r"\b(?:clef|middle|m|octave|transpose|t|cue|style|shift|score|(?:staff|stem|gstem|sub|s)?"
    r"(?:name|nm|lines|scale|stems?)|gchords?|volume|dyn|lyrics)\s*=\s*\S*"
)
_CLEF = re.compile(
    r"(?:^|(?<=[\s=]))(treble|bass|alto|tenor|perc|none|[GFC])([1-5]?)((?:[+^_-](?:8|15))?)(?=\s|$)"
)
_CLEFS = {
    "treble": ("G", 2),
    "bass": ("F", 4),
    "alto": ("C", 3),
    "tenor": ("C", 4),
    "none": ("G", 2),
    "G": ("G", 2),
    "F": ("F", 4),
    "C": ("C", 3),
}
_SHIFT = re.compile(r"\b(octave|transpose|t)\s*=\s*([+-]?\d{1,3})\b")
_LENGTH = re.compile(r"(\d{1,5})\s*/\s*(\d{1,5})|(\d{1,5})")
_METRE = re.compile(r"\(?([\d+\s]+)\)?\s*/\s*(\d{1,3})")
NO_SHARPS, TREBLE = Key(), Clef()
ALTERS = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}


@dataclass(frozen=True)
class Pitching:
    """What turns written letters into pitches: key, clef, and shifts in octaves and semitones."""

    key: Key = NO_SHARPS
    clef: Clef = TREBLE
    octave: int = 0
    transpose: int = 0


def read_key(value: str, now: Pitching) -> Pitching:
    """The key, clef and shifts after a ``K:`` field.

    Raises
    ------
    SfpipeError
        If the key is none of ABC's, or the staff is for percussion.
    """
    text = re.sub(r'"[^"]*"', "", value).strip()
    now = read_clef(text, now)
    bare = _PROPERTY.sub("", text).strip()
    if text and (not bare or (bare not in ("none", *"GFC") and _CLEF.fullmatch(bare))):
        return now  # a clef alone changes no key
    return replace(now, key=_key(bare))


def _key(text: str) -> Key:
    if re.match(r"H[Pp]\b", text):
        return Key((1, 0, 0, 1, 0, 0, 0), shown=text[1] == "p")
    match = _KEY.match(text)
    word = (match[3] if match else "").lower()
    alters = list(Key().alters)
    if match and word in _CLEFS:  # "K:G bass"
        word = ""
    if match and (word[:3] in _MODES or word == "exp"):
        if word != "exp":
            fifths = _TONIC[match[1].upper()] + _MODES[word[:3]]
            fifths += {"#": 7, "♯": 7, "b": -7, "♭": -7, "": 0}[match[2]]
            alters = list(Key.of(fifths).alters)
    elif text and not re.match(r"none\b|exp\b", text) and not _ACCIDENTAL.match(text):
        raise SfpipeError(f"K:{text[:30]} is no key of ABC")
    for sign, letter in _ACCIDENTAL.findall(text):
        alters[LETTERS.index(letter.upper())] = ALTERS[sign]
    return Key(tuple(alters))


def read_clef(text: str, now: Pitching) -> Pitching:
    """Clef, ``octave=`` and ``transpose=`` of a ``K:`` or ``V:`` field; what it lacks stays.

    Raises
    ------
    SfpipeError
        If the staff is for percussion.
    """
    # "K:G" and "K:F" are keys; a bare letter is a clef behind "clef=" alone.
    named = re.search(r"\bclef\s*=\s*(\S+)", text)
    match = _CLEF.search(named[1].strip('"')) if named else _bare_clef(text)
    if match:
        if match[1] == "perc":
            raise SfpipeError("has a percussion staff, which is no melody")
        shape, line = _CLEFS[match[1]]
        size = match[3][1:] if match[3] else ""
        octaves = {"": 0, "8": 1, "15": 2}[size] * (-1 if match[3][:1] in ("-", "_") else 1)
        now = replace(now, clef=Clef(shape, int(match[2] or line), octaves))
    for name, number in _SHIFT.findall(text):
        if name == "octave":
            now = replace(now, octave=int(number))
        else:
            now = replace(now, transpose=int(number))
    if abs(now.octave) > 5 or abs(now.transpose) > 60:
        raise SfpipeError("octave= or transpose= leaves the range of MIDI")
    return now


def _bare_clef(text: str) -> re.Match[str] | None:
    for match in _CLEF.finditer(text):
        if len(match[1]) > 1 and not (match[1] == "none" and match.start() == 0):
            return match
    return None


def read_metre(value: str) -> Metre | None:
    """A metre, None for free time.

    Raises
    ------
    SfpipeError
        If the field is no metre.
    """
    text = value.strip().strip('"').strip()
    if text in ("C", "c"):
        return Metre("4", 4, "C")
    if text in ("C|", "c|", "¢"):
        return Metre("2", 2, "C|")
    if not text or text.lower() in ("none", "free"):
        return None
    match = _METRE.fullmatch(text)
    beats = (
        [int(n[:MAX_DIGITS]) for n in re.split(r"[+\s]+", match[1].strip()) if n] if match else []
    )
    unit = int(match[2]) if match else 0
    if not match and (alone := re.fullmatch(r"[1-9]\d?", text)):
        beats, unit = [int(alone[0])], 4
    if not beats or not 0 < sum(beats) <= MAX_BEATS or unit not in UNITS:
        raise SfpipeError(f"M:{text[:20]} is no metre of ABC")
    return Metre("+".join(map(str, beats)), unit)


def read_unit(value: str) -> Fraction:
    """The unit length ``L:`` in quarters.

    Raises
    ------
    SfpipeError
        If the field is no length.
    """
    return 4 * _length(value, "L:")


def _length(value: str, name: str) -> Fraction:
    match = _LENGTH.match(value.strip())
    above, below = (int(match[1] or match[3]), int(match[2] or 1)) if match else (0, 1)
    if not above or not below or above > 64 * below or below > 1024:
        raise SfpipeError(f"{name}{value.strip()[:20]} is no length of ABC")
    return Fraction(above, below)


def default_unit(metre: Metre | None) -> Fraction:
    """The unit length in quarters where ``L:`` is lacking: a sixteenth in a short metre."""
    return Fraction(1, 4) if metre and metre.quarters < 3 else Fraction(1, 2)


def read_tempo(value: str, unit: Fraction) -> Fraction | None:
    """Quarters per minute of a ``Q:`` field; None if it is words alone.

    `unit` is the unit length in quarters, of which the old ``Q:120`` and ``Q:C3=40`` count.

    Raises
    ------
    SfpipeError
        If the field is no tempo.
    """
    text = re.sub(r'"[^"]*"?', " ", value).strip()
    if not text:
        return None
    beats, equals, rate = text.rpartition("=")
    number = re.search(r"\d{1,4}(?:\.\d{1,3})?", rate)
    if not number:
        if re.fullmatch(r"[A-Za-z .]+", text):
            return None
        raise SfpipeError(f"Q:{text[:20]} is no tempo of ABC")
    old = re.fullmatch(r"\s*C\s*(\d{0,2})\s*(/?)\s*(\d{0,2})\s*", beats)
    if not equals:
        quarters = unit
    elif old:
        quarters = (
            unit * Fraction(int(old[1] or 1), int(old[3] or 2) or 1)
            if old[2]
            else unit * int(old[1] or 1)
        )
    else:
        quarters = 4 * sum((_length(b, "Q:") for b in re.findall(r"[\d/]+", beats)), Fraction(0))
    pace = Fraction(number[0]) * quarters
    if not 1 <= pace <= 2000:
        raise SfpipeError(f"Q:{text[:20]} asks for {float(pace):g} quarters a minute")
    return pace


def read_parts(value: str) -> tuple[str, ...]:
    """The parts of a ``P:`` field in the order in which they are played: ``(AB)2C`` is ABABC.

    Raises
    ------
    SfpipeError
        If brackets do not match or the list is longer than 500.
    """
    tokens = re.findall(r"[A-Za-z]|\d+|[()]", re.sub(r'"[^"]*"', "", value))
    groups: list[list[str]] = [[]]
    last: list[str] = []
    for token in tokens:
        if token == "(":
            groups.append([])
            last = []
        elif token.isdigit():
            times = int(token[:MAX_DIGITS])
            if len(groups[-1]) + len(last) * times > MAX_PARTS:
                raise SfpipeError(f"P: asks for more than {MAX_PARTS} parts")
            del groups[-1][len(groups[-1]) - len(last) :]
            groups[-1] += last * times
            last = []
        else:
            if token == ")" and len(groups) < 2:
                raise SfpipeError(f"P:{value[:30]} has a bracket that does not match")
            last = groups.pop() if token == ")" else [token]
            groups[-1] += last
    if len(groups) != 1 or len(groups[0]) > MAX_PARTS:
        raise SfpipeError(f"P:{value[:30]} has a bracket that does not match")
    return tuple(groups[0])


def read_endings(text: str) -> tuple[int, ...]:
    """The passes that an ending is for: ``1,3`` and ``1-3`` are lists.

    Raises
    ------
    SfpipeError
        If a number is not between 1 and 32.
    """
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip(" .").partition("-")
        if not first:
            continue
        low, high = int(first[:3]), int((last or first)[:3])
        if not 1 <= low <= high <= 32:
            raise SfpipeError(f"the ending [{text[:20]} is none of the passes 1 to 32")
        numbers += range(low, high + 1)
    return tuple(numbers)
