"""ABC 2.1: the text of one tune to a score.

Written by the standard (abcnotation.com/wiki/abc:standard:v2.1); older spellings that the
collections use are taken too. What would change the notes and is not supported is refused with its
reason; text, lyrics, layout, slurs and ornaments change no note and are passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

from sfpipe.errors import SfpipeError
from sfpipe.notation import abc_fields as fields
from sfpipe.notation.abc_text import Macros, logical_lines
from sfpipe.notation.score import (
    LETTERS,
    MIDI_PITCHES,
    Bar,
    Event,
    Metre,
    Note,
    Score,
    Tuplet,
    semitone,
)

MAX_NOTES = 20_000
MAX_REST_BARS = 200
DECORATIONS = {"~": "", ".": "stacc", "u": "upbow", "v": "dnbow", "L": "acc"}
DECORATIONS |= {"S": "segno", "O": "coda", "H": "", "M": "", "P": "", "T": "", "J": "", "R": ""}
# Decorations by name: articulations that are printed, and signs that say what is played.
MARKS = {"accent": "acc", ">": "acc", "emphasis": "acc", "upbow": "upbow", "downbow": "dnbow"}
MARKS |= {"tenuto": "ten", "staccato": "stacc", "wedge": "stacciss"}
SIGNS = {"segno": {"segno"}, "coda": {"coda"}, "fine": {"fine"}, "dacoda": {"tocoda"}}
SIGNS |= {"tocoda": {"tocoda"}, "to coda": {"tocoda"}}
for _name, _jump in (("d.c.", "dacapo"), ("dacapo", "dacapo"), ("d.s.", "dalsegno")):
    SIGNS |= {_name: {_jump}, f"{_name}alfine": {_jump}, f"{_name}alcoda": {_jump}}

_LEN = r"(?P<{0}num>\d*)(?P<{0}slash>/*)(?P<{0}den>\d*)"
_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?:(?P<acc>\^{1,2}|_{1,2}|=)(?P<micro>\d*/\d*)?)?(?P<letter>[A-Ga-g])(?P<octave>[,']*)"
    + _LEN.format("n")
    + r"|(?P<bar>:*\.?\[?\|(?:[|\]:]|\[(?=[|\]]))*|:+\[\||::+)"
    r"(?P<after>\d+(?:[,-]\d+)*)?"
    r"|\[(?P<field>[A-Za-z]):(?P<value>[^\]]*)\]"
    r"|\[(?P<ending>\d+(?:[,-]\d+)*)\.?"
    r"|\[(?P<chord>[^\]|]*)\]" + _LEN.format("c") + r"|(?P<rest>[zxZXy])" + _LEN.format("r") + r"|"
    r"\{/?(?P<grace>[^}]*)\}"
    r"|\((?P<p>\d+)(?::(?P<q>\d*)(?::(?P<r>\d*))?)?"
    r'|"(?P<text>[^"]*)"?'
    r"|!(?P<deco>[^!|]*)!"
    r"|\+(?P<plus>[^+|]*)\+"
    r"|(?P<tie>\.?-)"
    r"|(?P<broken><+|>+)"
    r"|(?P<overlay>\(&|&\)|&+)"
    r"|(?P<slur>\.?'?[()])"
    r"|(?P<sign>[H-Wh-w~.])"
    r"|(?P<number>\d+(?:[,-]\d+)*)|(?P<colon>:)"
    r"|(?P<other>.)"
)
_INNER = re.compile(
    r'"[^"]*"?|![^!]*!'
    r"|(?:(?P<acc>\^{1,2}|_{1,2}|=)(?P<micro>\d*/\d*)?)?(?P<letter>[A-Ga-g])(?P<octave>[,']*)"
    + _LEN.format("n")
    + r"(?P<tie>\.?-)?"
)
_IGNORED = frozenset("`#*;?@$\\!+,'")
_MUSIC = re.compile(r"(?=.*[A-Ga-g])[\sA-Ga-gzx0-9/,'^_=()\[\]<>:.-]+")
_KNOWN = re.compile(r"[mf]?f{1,4}|m?p{1,4}|sfz|[0-5]|<\(?|>\(?|<\)|>\)|\+|8v[ab][()]|15m[ab][()]")


def read_abc(tune: str) -> Score:
    """The score of one tune, from its ``X:`` line to the blank line after it.

    Raises
    ------
    SfpipeError
        If the text is not ABC, or what it asks for is not supported; the message names the bar.
    """
    return _Reader().read(tune)


@dataclass
class _Voice:
    """One voice while its bars are read."""

    pitching: fields.Pitching
    metre: Metre | None
    unit: Fraction
    name: str = ""
    bars: list[Bar] = field(default_factory=list)
    bar: Bar = field(default_factory=Bar)
    carried: dict[int, int] = field(default_factory=dict)
    tied: dict[int, int] = field(default_factory=dict)  # step -> alter that a tie brings along
    first_ending: dict[int, int] = field(default_factory=dict)
    tuplets: list[tuple[Tuplet, int]] = field(default_factory=list)
    last: Event | None = None  # the note, chord or rest before, without grace notes
    broken: Fraction | None = None
    layer: int = 1
    marks: list[str] = field(default_factory=list)
    spaced: bool = True


class _Reader:
    """Fields, then bars of one voice after the other, as the lines of the tune bring them."""

    def __init__(self) -> None:
        self.metre: Metre | None = None
        self.unit: Fraction | None = None
        self.pitching = fields.Pitching()
        self.tempo_field: str | None = None
        self.title = ""
        self.order: tuple[str, ...] = ()
        self.macros = Macros()
        self.decorations = dict(DECORATIONS)
        self.propagate = "pitch"
        self.breaks = ""  # what stands for a line break, if "!"
        self.plus = False
        self.transpose = 0
        self.headers: dict[str, str] = {}
        self.groups: list[list[str]] | None = None
        self.voices: dict[str, _Voice] = {}
        self.voice: _Voice | None = None
        self.count = 0
        self.n_groups = 0

    def read(self, tune: str) -> Score:
        body, begun = False, ""
        for letter, value in logical_lines(tune):
            if not letter:  # a backslash joins a line of music to the next
                # "|" and "1" or ":" are one sign then, "|" and "|" are not
                gap = "" if value[:1] in ":123456789" else "\n"
                begun += (gap if begun else "") + value.rstrip("\\")
                if value.endswith("\\"):
                    continue
            if body and begun:
                self._music(begun)
            begun = ""
            if letter == "%%":
                self._directive(value)
            elif not letter:
                continue
            elif body:
                self._body_field(letter, value)
            else:
                body = self._header_field(letter, value)
        if body and begun:
            self._music(begun)
        if not body:
            raise SfpipeError("has no K: field, which ends the header of an ABC tune")
        return self._score()

    # Fields

    def _header_field(self, letter: str, value: str) -> bool:
        if letter == "M":
            self.metre = fields.read_metre(value)
        elif letter == "L":
            self.unit = fields.read_unit(value)
        elif letter == "Q":
            self.tempo_field = value
        elif letter == "T":
            self.title = self.title or value
        elif letter == "P":
            self.order = fields.read_parts(value)
        elif letter == "V":
            name, _, rest = value.strip().partition(" ")
            self.headers[name] = rest
        elif letter == "K":
            self.pitching = fields.read_key(value, self.pitching)
            self._switch(next(iter(self.headers), ""))
            if self.tempo_field is not None:
                self._tempo(self.tempo_field)
        else:
            self._common_field(letter, value)
        return letter == "K"

    def _common_field(self, letter: str, value: str) -> None:
        if letter == "m":
            self.macros.define(value)
        elif letter == "U":
            sign, _, meaning = value.partition("=")
            name = meaning.strip().strip("!+")
            text = meaning.strip().startswith('"') or name in ("nil", "none")
            self.decorations[sign.strip()[:1]] = "" if text else _meaning(name)

    def _body_field(self, letter: str, value: str) -> None:
        voice = self._current()
        if letter == "K":
            voice.pitching = fields.read_key(value, voice.pitching)
            self._signatures(voice)
        elif letter == "M":
            voice.metre = fields.read_metre(value)
            self._signatures(voice)
        elif letter == "L":
            voice.unit = fields.read_unit(value)
        elif letter == "Q":
            self._tempo(value)
        elif letter == "P":
            label = re.sub(r"[^A-Za-z]", "", re.sub(r'"[^"]*"', "", value))
            self._end_bar("|", "")
            voice.bar.part = label[:1]
        elif letter == "V":
            name, _, rest = value.strip().partition(" ")
            self._switch(name, rest)
        elif letter in ("I", "%%"):
            self._directive(value)
        else:
            self._common_field(letter, value)

    def _directive(self, value: str) -> None:
        word, _, rest = value.replace("=", " ").partition(" ")
        rest = rest.strip()
        if word == "propagate-accidentals":
            self.propagate = rest if rest in ("not", "octave", "pitch") else self.propagate
        elif word == "linebreak":
            self.breaks = "!" if "!" in rest else ""
        elif word == "decoration":
            self.plus = rest.startswith("+")
        elif word == "MIDI" and (transpose := re.fullmatch(r"r?transpose\s+([+-]?\d{1,2})", rest)):
            self.transpose = int(transpose[1]) + (self.transpose if rest[0] == "r" else 0)
        elif word in ("score", "staves"):
            spaced = re.sub(r"([()\[\]{}|*])", r" \1 ", rest)
            self.groups = [[]]
            inside = False
            for token in spaced.split():
                inside = (inside or token == "(") and token != ")"
                if token in ("(", ")"):
                    self.groups.append([])
                elif token not in "[]{}|*":
                    self.groups[-1].append(token)
                    if not inside:
                        self.groups.append([])

    def _tempo(self, value: str) -> None:
        voice = self._current()
        pace = fields.read_tempo(value, voice.unit)
        if pace is not None:
            voice.bar.tempi.append((self._offset(voice), pace))

    def _switch(self, name: str, more: str = "") -> None:
        """Go on in the voice of this name; `more` are its properties."""
        now = self.voice
        if now is not None and not (now.name or now.bars or now.bar.events):
            now.name = name  # "V:" behind the header names the voice that began there
            self.voices = {name: now}
        if name not in self.voices:
            pitching = fields.read_clef(self.headers.get(name, ""), self.pitching)
            unit = self.unit or fields.default_unit(self.metre)
            self.voices[name] = _Voice(pitching, self.metre, unit, name)
            self._signatures(self.voices[name])
        self.voice = self.voices[name]
        if more or name in self.headers:
            text = f"{self.headers.pop(name, '')} {more}"
            self.voice.pitching = fields.read_clef(text, self.voice.pitching)
            self._signatures(self.voice)

    def _current(self) -> _Voice:
        assert self.voice is not None  # the K: field made one
        return self.voice

    def _signatures(self, voice: _Voice) -> None:
        """Write key, clef and metre to the bar, or to the next one if it has begun."""
        bar = voice.bar
        if voice.layer == 1 and any(not e.grace for e in bar.events):
            if bar.metre == voice.metre and (bar.key, bar.clef) == (
                voice.pitching.key,
                voice.pitching.clef,
            ):
                return
            self._end_bar("invis", "")
            bar = voice.bar
        bar.key, bar.clef, bar.metre = voice.pitching.key, voice.pitching.clef, voice.metre

    # Music

    def _music(self, line: str) -> None:
        self._current().spaced = True
        if self.breaks:
            line = line.replace(self.breaks, " ")
        self._tokens(self.macros.expand(line))

    def _tokens(self, line: str) -> None:
        for token in _TOKEN.finditer(line):
            kind = token.lastgroup
            if token["letter"]:
                self._note([token], _length(token, "n"))
            elif token["space"]:
                self._current().spaced = True
            elif token["bar"]:
                self._end_bar(token["bar"], token["after"] or "")
            else:
                self._rarer(token, kind or "")

    def _rarer(self, token: re.Match[str], kind: str) -> None:
        voice = self._current()
        if token["rest"]:
            self._rest(token["rest"], _length(token, "r"))
        elif token["field"]:
            self._body_field(token["field"], token["value"])
        elif token["chord"] is not None:
            self._chord(token)
        elif token["grace"] is not None:
            self._graces(token["grace"])
        elif token["p"]:
            self._tuplet(token)
        elif token["tie"]:
            self._tie()
        elif token["broken"]:
            self._broken(token["broken"])
        elif token["ending"]:
            self._end_bar("", token["ending"])
        elif token["overlay"]:
            self._overlay(token["overlay"])
        elif token["deco"] is not None:
            self._decoration(token["deco"], "!")
        elif token["plus"] is not None:
            self._decoration(token["plus"], "+")
        elif token["sign"]:
            self._mark(self.decorations.get(token["sign"], ""))
        elif token["colon"]:  # half of a repeat sign
            self._end_bar(":|" if voice.bar.events else "|:", "")
        elif token["number"] and not voice.bar.events:  # "| 1" for "|1"
            self._end_bar("", token["number"])
        elif kind in ("other", "number") and token[0] not in _IGNORED:
            raise SfpipeError(f"bar {len(voice.bars) + 1}: '{token[0]}' is no music of ABC")

    def _decoration(self, name: str, sign: str) -> None:
        known = bool(_meaning(name) or _KNOWN.fullmatch(name))
        music = not known and _MUSIC.fullmatch(name) and re.search(r"[\s\d]", name)
        if sign == "+" and not known and _MUSIC.fullmatch(name) and not self.plus:
            raise SfpipeError(f"has a chord of ABC 1.0, +{name[:20]}+")
        if sign == "!" and music:  # two line breaks of old ABC
            self._tokens(name)
        else:
            self._mark(_meaning(name))

    def _mark(self, meaning: str) -> None:
        voice = self._current()
        if meaning in ("segno", "coda", "fine", "tocoda", "dacapo", "dalsegno"):
            voice.bar.jumps |= {meaning}
        elif meaning:
            voice.marks.append(meaning)

    def _note(self, tokens: list[re.Match[str]], length: Fraction) -> None:
        voice = self._current()
        self.count += len(tokens)
        if self.count > MAX_NOTES:
            raise SfpipeError(f"has more than {MAX_NOTES:,} notes")
        tied, voice.tied = voice.tied, {}
        notes = [self._pitch(token, tied) for token in tokens]
        event = self._add(length * voice.unit, notes)
        event.marks, voice.marks = tuple(voice.marks), []

    def _pitch(self, token: re.Match[str], tied: dict[int, int]) -> Note:
        voice = self._current()
        letter = token["letter"]
        if token["micro"]:
            raise SfpipeError(f"bar {len(voice.bars) + 1}: quarter tones are not supported")
        octave = token["octave"].count("'") - token["octave"].count(",") + letter.islower()
        index = LETTERS.index(letter.upper())
        written = 28 + index + 7 * octave
        place = written if self.propagate == "octave" else index
        if token["acc"]:
            alter = fields.ALTERS[token["acc"]]
            if self.propagate != "not":
                voice.carried[place] = alter
        elif written in tied:
            alter = tied[written]
        else:
            alter = voice.carried.get(place, voice.pitching.key.alters[index])
        return self._sounding(written, alter)

    def _sounding(self, written: int, alter: int) -> Note:
        now = self._current().pitching
        step = written + 7 * now.octave
        midi = semitone(step + 7 * now.clef.octaves, alter) + now.transpose + self.transpose
        if midi not in MIDI_PITCHES:
            raise SfpipeError("has a note beyond the range of MIDI")
        return Note(step, alter, midi)

    def _add(self, quarters: Fraction, notes: list[Note], *, hidden: bool = False) -> Event:
        voice = self._current()
        event = Event(quarters, notes, voice=voice.layer, hidden=hidden)
        if voice.tuplets:
            event.tuplets = tuple(t for t, _ in voice.tuplets)
            for tuplet in event.tuplets:
                event.quarters *= Fraction(tuplet.normal, tuplet.actual)
            voice.tuplets = [(t, left - 1) for t, left in voice.tuplets if left > 1]
        if voice.broken is not None:
            event.quarters *= voice.broken
            voice.broken = None
        if voice.last is not None and not voice.spaced and voice.bar.events:
            voice.last.beam = bool(notes and voice.last.notes)
        voice.bar.events.append(event)
        voice.last, voice.spaced = event, False
        return event

    def _rest(self, kind: str, length: Fraction) -> None:
        voice = self._current()
        if kind == "y":
            return
        voice.tied = {}
        if kind in "zx":
            self._add(length * voice.unit, [], hidden=kind == "x")
            return
        bar = voice.metre.quarters if voice.metre else Fraction(4)
        if length > MAX_REST_BARS or length != int(length):
            raise SfpipeError(f"bar {len(voice.bars) + 1}: {kind}{length} is no number of bars")
        for n in range(int(length)):
            if n:
                self._end_bar("|", "")
            self._add(bar, [], hidden=kind == "X")

    def _chord(self, token: re.Match[str]) -> None:
        inner = [m for m in _INNER.finditer(token["chord"]) if m["letter"]]
        if not inner:
            return
        # All notes of a chord have the length of the first.
        self._note(inner, _length(inner[0], "n") * _length(token, "c"))
        event = self._current().last
        for note, match in zip(event.notes if event else [], inner, strict=False):
            if match["tie"]:
                self._tie_note(note)

    def _graces(self, text: str) -> None:
        voice = self._current()
        for token in _TOKEN.finditer(text):
            inner = [token] if token["letter"] else []
            if token["chord"]:
                inner = [m for m in _INNER.finditer(token["chord"]) if m["letter"]]
            if inner:
                self.count += len(inner)
                notes = [self._pitch(match, {}) for match in inner]
                event = Event(Fraction(0), notes, voice=voice.layer, grace=True)
                voice.bar.events.append(event)

    def _tie(self) -> None:
        voice = self._current()
        for note in voice.last.notes if voice.last else []:
            self._tie_note(note)

    def _tie_note(self, note: Note) -> None:
        voice = self._current()
        note.tie = True
        voice.tied[note.step - 7 * voice.pitching.octave] = note.alter

    def _broken(self, signs: str) -> None:
        voice = self._current()
        if voice.last is None:
            raise SfpipeError(f"bar {len(voice.bars) + 1}: '{signs}' follows no note")
        short = Fraction(1, 2 ** min(len(signs), 6))
        long = 2 - short
        voice.last.quarters *= long if signs[0] == ">" else short
        voice.broken = short if signs[0] == ">" else long
        voice.spaced = False

    def _tuplet(self, token: re.Match[str]) -> None:
        voice = self._current()
        actual = int(token["p"][:4])
        compound = bool(voice.metre and voice.metre.compound)
        usual = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}.get(actual, 3 if compound else 2)
        normal = int(token["q"][:4]) if token["q"] else usual
        count = int(token["r"][:4]) if token["r"] else actual
        if not 1 <= actual <= 64 or not 1 <= normal <= 64 or not 1 <= count <= 64:
            raise SfpipeError(f"bar {len(voice.bars) + 1}: {token[0]} is no tuplet of ABC")
        if len(voice.tuplets) > 3:
            raise SfpipeError(f"bar {len(voice.bars) + 1}: tuplets are nested too deep")
        before = [(t.actual, t.normal, left) for t, left in voice.tuplets[-1:]]
        if actual == 1 or before == [(actual, normal, count)]:
            return  # "(3(3abc" is a slip: one sign too many
        self.n_groups += 1
        voice.tuplets.append((Tuplet(actual, normal, self.n_groups), count))

    def _overlay(self, sign: str) -> None:
        voice = self._current()
        if sign != "&":
            raise SfpipeError("has overlays of several bars, (& ... &), which are not supported")
        voice.layer += 1
        voice.last, voice.carried, voice.tied, voice.tuplets = None, {}, {}, []

    def _offset(self, voice: _Voice) -> Fraction:
        done = (e.quarters for e in voice.bar.events if e.voice == voice.layer)
        return sum(done, Fraction(0))

    def _end_bar(self, line: str, ending: str) -> None:
        """A bar line, with the repeat signs and the ending that stand at it."""
        voice = self._current()
        bar = voice.bar
        ends, starts = _repeats(line)
        plain = line.replace("[|]", "|" if line == "[|]" else "")  # the invisible bar line
        style = "dbl" if re.search(r"\|\||\[\||\|\]", plain) else "single"
        if bar.events:
            bar.line = line if line == "invis" else style
            bar.repeat_end = ends
            self._close(bar)
            voice.bars.append(bar)
            voice.bar = Bar(key=voice.pitching.key, clef=voice.pitching.clef, metre=voice.metre)
            voice.layer = 1
            if line and line != "invis":
                voice.carried = {}
        elif voice.bars and line:
            last = voice.bars[-1]
            last.repeat_end = max(last.repeat_end, ends)
            last.line = "dbl" if style == "dbl" else last.line
        voice.spaced = True
        voice.bar.repeat_start = bool(starts) or voice.bar.repeat_start
        if ending:
            voice.bar.endings = fields.read_endings(ending)
            if voice.bar.endings[:1] == (1,):
                voice.first_ending = dict(voice.tied)
            else:
                voice.tied = voice.tied or dict(voice.first_ending)

    def _close(self, bar: Bar) -> None:
        """Say when each event of the bar begins."""
        ends: dict[int, Fraction] = {}
        for event in bar.events:
            event.start = ends.get(event.voice, Fraction(0))
            ends[event.voice] = event.start + event.quarters
        bar.length = max(ends.values(), default=Fraction(0))

    # The whole

    def _score(self) -> Score:
        for voice in self.voices.values():
            self.voice = voice
            self._end_bar("", "")
        used = [v for v in self.voices.values() if any(e.notes for b in v.bars for e in b.events)]
        if not used:
            raise SfpipeError("holds no notes")
        if len(used) > 1:
            raise SfpipeError(
                f"has {len(used)} voices, expected 1", remedy="export the melody alone"
            )
        bars = used[0].bars
        for number, bar in enumerate(bars, 1):
            bar.number = number
            self._close(bar)  # broken rhythm may have reached over a bar line
        return Score(bars, self.title, self.order)


def _meaning(name: str) -> str:
    """What a decoration is here: an articulation, a sign of playing, or nothing."""
    known = name.lower().strip()
    if known in MARKS:
        return MARKS[known]
    return next(iter(SIGNS.get(re.sub(r"\s", "", known), {""})))


def _length(token: re.Match[str], kind: str) -> Fraction:
    number, slashes, below = token[kind + "num"], token[kind + "slash"], token[kind + "den"]
    if not number and not slashes:
        return Fraction(1)
    den = int(below[:5]) if below else 2 ** min(len(slashes), 10)
    num = int(number[:5] or 1)
    if not slashes:
        den = 1
    if not den or not num or den > 1024 or num > 1024:
        raise SfpipeError(f"'{token[0].strip()[:20]}' has no length of ABC")
    return Fraction(num, den)


def _repeats(line: str) -> tuple[int, int]:
    """How often the section before a bar line is played (0: once), and colons that begin one."""
    if not line or line == "invis":
        return 0, 0
    if "|" not in line:  # "::", ":::"
        n = len(line)
        return n // 2 + 1, n - n // 2
    after = len(line) - len(line.rstrip(":"))
    ends = re.findall(r":+(?=\.?[\[|\]])", line)  # also inside of it: "[|]:|"
    return (max(map(len, ends)) + 1 if ends else 0), after
