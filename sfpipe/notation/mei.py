"""MEI 3 to 5, common notation, to a score: all staves and layers of one movement.

What sounds and when is read from notes, rests, ``<tie>``, ``<tempo>``, ``<octave>``, bar lines,
``<ending>`` and ``<repeatMark>``; layout is passed over. Values count as printed, unless
``@dur.ppq`` says otherwise by more than rounding. An ``<expansion>`` is not followed: the signs
of repeats say the order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count
from xml.etree.ElementTree import Element

from sfpipe.errors import SfpipeError
from sfpipe.notation.abc_fields import read_endings
from sfpipe.notation.musicxml import MAX_NOTES, MAX_VOICES, ROUNDED, jumps_in_words, keep_signs
from sfpipe.notation.score import (
    LETTERS,
    MIDI_PITCHES,
    ZERO,
    Bar,
    Event,
    Key,
    Metre,
    Note,
    Score,
    semitone,
)

ID = "{http://www.w3.org/XML/1998/namespace}id"
NAMESPACE = "http://www.music-encoding.org/ns/mei"
PACES = range(1, 2001)  # quarters a minute
_VALUES = {str(2**n): Fraction(4, 2**n) for n in range(11)}
_VALUES |= {"breve": Fraction(8), "long": Fraction(16)}
_ALTERS = {"s": 1, "f": -1, "n": 0, "ss": 2, "x": 2, "ff": -2, "ts": 3, "xs": 3, "sx": 3, "tf": -3}
_ALTERS |= {"nf": -1, "ns": 1}
_JUMPS = {name.lower(): name.lower() for name in ("coda", "segno", "fine", "daCapo", "dalSegno")}
_SYMBOLS = {"common": ("4", 4, "C"), "cut": ("2", 2, "C|")}
# Elements around music that stands in the score; of <app> and <choice> one reading is taken.
_SEE_THROUGH = {"beam", "bTrem", "supplied", "unclear", "corr", "sic", "reg", "orig", "add"}
_SEE_THROUGH |= {"lem", "rdg", "abbr", "expan", "damage", "section"}
_NO_KEY = Key()
_WHOLE_BARS = ("mRest", "mSpace", "multiRest")


def read_document(root: Element) -> Score:
    """The score of a document, staves counted through from the top.

    Namespaces are taken out of the names of its elements, and every note gets an ``xml:id``
    unless it has one of its own, so that it can be found again where the document is drawn.

    Raises
    ------
    SfpipeError
        If it is another kind of XML, or what it asks for is not supported; the message names the
        bar.
    """
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    root.set("xmlns", NAMESPACE)
    if root.tag != "mei":
        raise SfpipeError(f"has the root element <{root.tag}>, expected <mei>")
    movements = [score for m in root.iter("mdiv") if (score := m.find("score")) is not None]
    if len(movements) != 1:
        raise SfpipeError(
            f"has {len(movements)} movements with a score, expected 1",
            remedy="save each movement as a file of its own",
        )
    _name_notes(root)
    reader = _MeiReader(movements[0])
    if not any(e.notes for bar in reader.bars for e in bar.events):
        raise SfpipeError("holds no notes")
    for number, bar in enumerate(reader.bars, 1):
        bar.number = number
    title = next((t.text.strip() for t in root.iter("title") if t.text), "")
    staves = len(reader.staves)
    return Score(reader.bars, title, parts=staves, staves=staves)


def _name_notes(root: Element) -> None:
    """Give an ``xml:id`` of its own to every note that has none."""
    used = {e.get(ID) for e in root.iter()}
    free = (name for n in count() if (name := f"n{n}") not in used)
    for note in root.iter("note"):
        if not note.get(ID):
            note.set(ID, next(free))


@dataclass
class _Staff:
    """What is in force on a staff; `index` counts from 1 at the top."""

    index: int
    key: Key = _NO_KEY
    metre: Metre | None = None
    transpose: int = 0
    ppq: int = 0


@dataclass
class _Layer:
    """Where a layer is read: `at` quarters in the bar, inside tuplets of the `ratio`."""

    staff: _Staff
    voice: int
    at: Fraction = ZERO
    ratio: Fraction = Fraction(1)
    grace: bool = False
    on_staff: str | None = None  # of a chord


@dataclass(frozen=True)
class _Octave:
    """Notes of a staff from one time to another sound so many octaves higher than they stand."""

    staff: int
    start: Fraction
    end: Fraction
    octaves: int


class _MeiReader:
    """Reads the bars of a movement one after the other; times are quarters from its beginning."""

    def __init__(self, score: Element) -> None:
        self.staves: dict[str, _Staff] = {}
        self.bars: list[Bar] = []
        self.words: list[frozenset[str]] = []
        # Where no note says how it is altered, key and bar do.
        self.literal = any(e.get("accid.ges") for e in score.iter())
        self.told_octaves = any(e.get("oct.ges") or e.get("pnum") for e in score.iter("note"))
        self.ties = {_named(t, "startid"): _named(t, "endid") for t in score.iter("tie")}
        self.tied_from = {end: start for start, end in self.ties.items()}
        self.spans = list(score.iter("tupletSpan"))
        self.altered: dict[tuple[int, int], int] = {}  # (staff, step) in this bar
        self.last: dict[tuple[int, int], int] = {}  # the same, of the last note
        self.named: dict[str, tuple[Note, Fraction]] = {}  # with the times at which they begin
        self.octaves: list[tuple[Fraction, Element]] = []
        self.late: list[tuple[Fraction, Fraction]] = []  # tempo marks at the last bar's end
        self.start = ZERO  # of the bar
        self.number = ""
        self.begins = False  # the last bar ended with a sign at which the next section begins
        self.endings: tuple[int, ...] = ()  # that begin with the next bar
        self._container(score)
        self._shift_octaves()
        keep_signs(self.bars, self.words)

    def _error(self, what: str, remedy: str | None = None) -> SfpipeError:
        return SfpipeError(f"measure {self.number} {what}", remedy=remedy)

    def _container(self, element: Element) -> None:
        for child in _chosen(element):
            if child.tag == "measure":
                self._measure(child)
            elif child.tag in ("scoreDef", "staffGrp", "staffDef"):
                self._define(child)
            elif child.tag == "ending":
                told = re.sub(r"[^\d,-]+", ",", child.get("n") or child.get("label") or "1")
                self.endings = read_endings(told) or (1,)
                self._container(child)
                if self.bars:
                    self.bars[-1].ending_stop = True
            elif child.tag in _SEE_THROUGH:
                self._container(child)

    # Signatures

    def _define(self, element: Element) -> None:
        """Take what a ``<scoreDef>`` or ``<staffDef>`` says, and what is inside it."""
        if element.tag == "staffDef":
            name = element.get("n") or str(len(self.staves) + 1)
            staff = self.staves.setdefault(name, _Staff(len(self.staves) + 1))
            staff.transpose = int(element.get("trans.semi") or staff.transpose)
            staff.ppq = int(element.get("ppq") or staff.ppq)
            self._signatures(element, [staff])
            return
        staves = element.iter("staffDef")
        for child in staves:
            self._define(child)
        if element.tag == "scoreDef":
            own = {e.get("n") for e in element.iter("staffDef") if _has_signature(e)}
            others = [staff for name, staff in self.staves.items() if name not in own]
            self._signatures(element, others)
            if (pace := _pace(element)) is not None:
                self.late.append((self.start, pace))

    def _signatures(self, element: Element, staves: Iterable[_Staff]) -> None:
        signs = {child.tag: child for child in (*element.findall("meterSigGrp/*[1]"), *element)}
        keys, metres = signs.get("keySig"), signs.get("meterSig")
        told = element.get("keysig") or element.get("key.sig")
        key = _key(told, keys)
        metre = self._metre(element, "meter.") or (
            None if metres is None else self._metre(metres, "")
        )
        for staff in staves:
            staff.key = key or staff.key
            staff.metre = metre or staff.metre

    def _metre(self, element: Element, prefix: str) -> Metre | None:
        symbol = element.get(f"{prefix}sym", "")
        beats, unit = element.get(f"{prefix}count", ""), element.get(f"{prefix}unit", "")
        if re.fullmatch(r"\d{1,3}(\+\d{1,3})*", beats) and re.fullmatch(r"\d{1,2}", unit):
            return Metre(beats, int(unit), _SYMBOLS.get(symbol, ("", 0, ""))[2])
        return Metre(*_SYMBOLS[symbol]) if symbol in _SYMBOLS else None

    # Bars

    def _measure(self, element: Element) -> None:
        self.number = element.get("n") or str(len(self.bars) + 1)
        self.altered.clear()
        bar = Bar(endings=self.endings, repeat_start=self.begins)
        self.endings, self.begins = (), False
        ends, whole = [ZERO], ZERO
        for child in _chosen(element):
            if child.tag != "staff":
                continue
            staff = self.staves.get(child.get("n") or "1")
            if staff is None:
                raise self._error(f"has a staff {child.get('n')} that is not defined")
            for n, layer in enumerate(child.iter("layer"), 1):
                place = _Layer(staff, staff.index * MAX_VOICES + n)
                whole = max(whole, self._whole_bar(layer, staff))
                self._music(layer, place, bar)
                ends.append(place.at)
        bar.metre = next((s.metre for s in self.staves.values()), None)
        bar.length = max(ends) or whole or (bar.metre.quarters if bar.metre else Fraction(4))
        self._bar_lines(element, bar)
        self._signs(element, bar)
        self.bars.append(bar)
        self.start += bar.length
        if len(self.named) > MAX_NOTES:
            raise SfpipeError(f"has more than {MAX_NOTES:,} notes")

    def _whole_bar(self, layer: Element, staff: _Staff) -> Fraction:
        """How long the bar is if a layer holds a rest of whole bars."""
        full = staff.metre.quarters if staff.metre else Fraction(4)
        found = [min(int(e.get("num") or 1), 500) for e in layer if e.tag in _WHOLE_BARS]
        if layer.find("mRpt") is not None and self.bars:
            return self.bars[-1].length
        return full * max(found, default=0)

    def _bar_lines(self, element: Element, bar: Bar) -> None:
        left, right = element.get("left", ""), element.get("right", "")
        bar.repeat_start |= left in ("rptstart", "rptboth")
        if left in ("rptend", "rptboth") and self.bars:
            self.bars[-1].repeat_end = 2
        bar.repeat_end = 2 if right in ("rptend", "rptboth") else 0
        self.begins = right in ("rptstart", "rptboth")
        bar.line = "dbl" if right.startswith("dbl") else "single"

    def _signs(self, element: Element, bar: Bar) -> None:
        """Tempo marks, jumps and octave signs of a measure that has been read."""
        signs, words = set[str](), set[str]()
        tempi = dict(self.late)
        for child in _chosen(element):
            if child.tag == "tempo" and (pace := _pace(child)) is not None:
                tempi[self._time(child, bar)] = pace
            elif child.tag == "repeatMark" and (child.get("func") or "").lower() in _JUMPS:
                signs.add(_JUMPS[(child.get("func") or "").lower()])
            elif child.tag in ("dir", "repeatMark", "tempo"):
                words |= jumps_in_words("".join(child.itertext()))
            elif child.tag == "octave":
                self.octaves.append((self._time(child, bar), child))
        bar.jumps = frozenset(signs)
        self.words.append(frozenset(words))
        end = self.start + bar.length
        bar.tempi = [(max(t - self.start, ZERO), p) for t, p in sorted(tempi.items()) if t < end]
        self.late = [(end, p) for t, p in sorted(tempi.items()) if t >= end][-1:]
        if any(round(pace) not in PACES for _, pace in tempi.items()):
            raise self._error("asks for a tempo that nobody plays")

    def _time(self, element: Element, bar: Bar) -> Fraction:
        """When a sign stands: at a note, or on a beat of the bar that is read."""
        if (note := self.named.get(_named(element, "startid"))) is not None:
            return note[1]
        return self.start + _beat(element.get("tstamp"), bar.metre)

    # Notes and rests

    def _music(self, element: Element, layer: _Layer, bar: Bar) -> None:
        for child in _chosen(element):
            with self._span(child, layer):
                self._item(child, layer, bar)

    def _item(self, child: Element, layer: _Layer, bar: Bar) -> None:
        tag = child.tag
        if tag in ("note", "chord"):
            self._event(child, layer, bar)
        elif tag in ("rest", "space"):
            layer.at += self._length(child, layer)
        elif tag == "tuplet":
            with _inside(layer, ratio=self._ratio(child)):
                self._music(child, layer, bar)
        elif tag == "fTrem":  # two notes, each as long as both together
            with _inside(layer, ratio=Fraction(1, 2)):
                self._music(child, layer, bar)
        elif tag == "graceGrp":
            with _inside(layer, grace=True):
                self._music(child, layer, bar)
        elif tag == "mRpt":
            bar.events += self._again(layer)
        elif tag in ("keySig", "meterSig"):
            holder = Element("staffDef")
            holder.append(child)
            self._signatures(holder, [layer.staff])
        elif tag in _SEE_THROUGH:
            self._music(child, layer, bar)
        elif (
            tag in ("beatRpt", "halfmRpt", "mRpt2", "multiRpt") or child.find(".//note") is not None
        ):
            raise self._error(f"has <{tag}>, which is not read")

    @contextmanager
    def _span(self, element: Element, layer: _Layer) -> Iterator[None]:
        """Inside a ``<tupletSpan>`` from its first element to its last."""
        name = element.get(ID)
        for span in self.spans:
            if name is not None and _named(span, "startid") == name:
                layer.ratio *= self._ratio(span)
        yield
        for span in self.spans:
            if name is not None and _named(span, "endid") == name:
                layer.ratio /= self._ratio(span)

    def _ratio(self, element: Element) -> Fraction:
        actual, normal = int(element.get("num") or 3), int(element.get("numbase") or 2)
        if not (0 < actual <= 1000 and 0 < normal <= 1000):
            raise self._error(f"has a tuplet of {actual} in the time of {normal}")
        return Fraction(normal, actual)

    def _length(self, element: Element, layer: _Layer) -> Fraction:
        told = None
        if layer.staff.ppq > 0 and (ticks := element.get("dur.ppq")):
            told = Fraction(ticks) / layer.staff.ppq
        if (value := _VALUES.get(element.get("dur", ""))) is None:
            if told is None:
                raise self._error(f"has a {element.tag} of the value '{element.get('dur', '')}'")
            return told
        dots = int(element.get("dots") or len(element.findall("dot")))
        printed = value * (2 - Fraction(1, 2 ** min(dots, 8))) * layer.ratio
        return printed if told is None or abs(printed - told) < ROUNDED[0] else told

    def _event(self, element: Element, layer: _Layer, bar: Bar) -> None:
        grace = layer.grace or element.get("grace") is not None
        quarters = ZERO if grace else self._length(element, layer)
        layer.on_staff = element.get("staff")
        printed = element.get("visible") != "false"
        inside = [element] if element.tag == "note" else list(element.iter("note"))
        notes = [self._note(note, element, layer, printed) for note in inside]
        for note in notes:
            self.named[note.id] = note, self.start + layer.at
        if (name := element.get(ID)) is not None and notes:
            self.named[name] = notes[0], self.start + layer.at
        # A cue note that nobody sees is there to be heard.
        cue = element.get("cue") == "true" and any(note.printed for note in notes)
        staff = notes[0].staff if notes else layer.staff.index
        bar.events.append(
            Event(quarters, notes, layer.at, layer.voice, staff, grace=grace, cue=cue)
        )
        layer.at += quarters

    def _note(self, element: Element, chord: Element, layer: _Layer, printed: bool) -> Note:
        letter, octave = (element.get("pname") or "").upper(), element.get("oct") or ""
        if letter not in LETTERS or not letter or not re.fullmatch(r"-?\d", octave):
            raise self._error("has notes without a pitch")
        step = LETTERS.index(letter) + 7 * int(octave)
        name = element.get(ID, "")
        tie = {element.get("tie", ""), chord.get("tie", "")}
        alter = self._alter(element, (layer.staff.index, step), name, bool(tie & {"m", "t"}))
        if pitch := element.get("pnum"):
            midi = int(pitch)
        else:
            sounding = LETTERS.index((element.get("pname.ges") or letter).upper())
            sounding += 7 * int(element.get("oct.ges") or octave)
            midi = semitone(sounding, alter) + layer.staff.transpose
        if midi not in MIDI_PITCHES:
            raise self._error("has a note beyond the range of MIDI")
        staff = self.staves.get(element.get("staff") or layer.on_staff or "", layer.staff)
        seen = printed and element.get("visible") != "false"
        tied = bool(tie & {"i", "m"}) or name in self.ties
        return Note(step, alter, midi, tied, name, staff.index, seen)

    def _alter(self, element: Element, place: tuple[int, int], name: str, tied: bool) -> int:
        signs = [element, *element.findall(".//accid")]
        if told := next((s.get("accid.ges") for s in signs if s.get("accid.ges")), None):
            return self._semitones(told)
        shown = next((s.get("accid") for s in signs if s.get("accid")), None)
        if shown is not None:
            alter = self.altered[place] = self._semitones(shown)
        elif self.literal:
            alter = 0
        elif tied:
            alter = self.last.get(place, 0)
        elif (before := self.named.get(self.tied_from.get(name, ""))) is not None:
            alter = before[0].alter
        else:
            staff, step = place
            keys = next(s.key for s in self.staves.values() if s.index == staff)
            alter = self.altered.get(place, keys.alters[step % 7])
        self.last[place] = alter
        return alter

    def _semitones(self, sign: str) -> int:
        if sign not in _ALTERS:
            raise self._error(f"has the accidental '{sign}', which is no semitone")
        return _ALTERS[sign]

    def _again(self, layer: _Layer) -> list[Event]:
        """The notes of the last bar in this layer, which a sign stands for."""
        if not self.bars:
            raise self._error("repeats a measure that is not there")
        here = f".again{len(self.bars)}"
        last = [e for e in self.bars[-1].events if e.voice == layer.voice]
        return [
            replace(e, notes=[replace(n, id=n.id + here, printed=False) for n in e.notes])
            for e in last
        ]

    def _shift_octaves(self) -> None:
        """Let notes under octave signs sound where no note of the file says how it sounds."""
        if self.told_octaves:
            return
        for start, sign in self.octaves:
            up = 1 if sign.get("dis.place") != "below" else -1
            octaves = up * {"15": 2, "22": 3}.get(sign.get("dis", ""), 1)
            last = self.named.get(_named(sign, "endid"))
            staff = self.staves.get(sign.get("staff") or "")
            if last is None or staff is None:
                raise SfpipeError("has an octave sign without its staff or its last note")
            for note in {
                id(n): n for n, at in self.named.values() if start <= at <= last[1]
            }.values():
                if note.staff == staff.index:
                    note.midi += 12 * octaves


def _chosen(element: Element) -> Iterator[Element]:
    """The children of an element; of several readings the first, or the editor's."""
    for child in element:
        if child.tag in ("app", "choice") and len(child):
            lemma = child.find("lem")
            yield child[0] if lemma is None else lemma
        else:
            yield child


@contextmanager
def _inside(layer: _Layer, ratio: Fraction = Fraction(1), grace: bool = False) -> Iterator[None]:
    before = layer.ratio, layer.grace
    layer.ratio, layer.grace = layer.ratio * ratio, layer.grace or grace
    yield
    layer.ratio, layer.grace = before


def _named(element: Element, attribute: str) -> str:
    return (element.get(attribute) or "").lstrip("#")


def _has_signature(element: Element) -> bool:
    names = ("keysig", "key.sig", "meter.count", "meter.sym")
    return any(element.get(name) for name in names) or any(
        element.find(name) is not None for name in ("keySig", "meterSig", "meterSigGrp")
    )


def _key(told: str | None, sign: Element | None) -> Key | None:
    if sign is not None:
        alters = [0] * 7
        for accid in sign.findall("keyAccid"):
            letter = (accid.get("pname") or "").upper()
            if letter and letter in LETTERS:
                alters[LETTERS.index(letter)] = _ALTERS.get(accid.get("accid", ""), 0)
        if any(alters):
            return Key(tuple(alters))
        told = sign.get("sig") or told
    if (found := re.fullmatch(r"(\d{1,2})([sf]?)", told or "")) is None:
        return None
    return Key.of(min(int(found[1]), 14) * (-1 if found[2] == "f" else 1))


def _pace(element: Element) -> Fraction | None:
    """Quarters a minute."""
    if told := element.get("midi.bpm"):
        return Fraction(told)
    if told := element.get("midi.mspb"):
        return 60_000_000 / Fraction(told)
    mark, unit = re.match(r"\d+(?:\.\d+)?", element.get("mm", "")), element.get("mm.unit", "")
    if mark is None or unit not in _VALUES:
        return None
    dots = min(int(element.get("mm.dots") or 0), 8)
    return Fraction(mark[0]) * _VALUES[unit] * (2 - Fraction(1, 2**dots))


def _beat(stamp: str | None, metre: Metre | None) -> Fraction:
    """Quarters from the beginning of a bar to ``@tstamp``, which counts beats from 1."""
    unit = metre.unit if metre else 4
    return max((Fraction(stamp or "1") - 1) * Fraction(4, unit), ZERO)
