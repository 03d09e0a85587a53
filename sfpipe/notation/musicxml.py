"""MusicXML 4.0 (score-partwise) to a score: all parts, staves and voices.

What sounds and when is read from notes, rests, ``<forward>`` and ``<backup>``, ``<transpose>``,
``<sound>``, ``<metronome>`` and the signs of repeats; layout is passed over. Durations count as
they stand, so a bar is as long as what is in it. `read_musicxml` takes melodies alone.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from itertools import count, pairwise, zip_longest
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from sfpipe.errors import SfpipeError
from sfpipe.notation.abc_fields import read_endings
from sfpipe.notation.score import (
    LETTERS,
    MIDI_PITCHES,
    Bar,
    Clef,
    Event,
    Key,
    Metre,
    Note,
    Score,
    semitone,
)

MAX_BYTES = 16 << 20
MAX_NOTES = 20_000
MAX_VOICES = 1000  # of a part
TYPES = ("breve", "whole", "half", "quarter", "eighth", "16th", "32nd", "64th", "128th", "256th")
QUARTERS = {name: Fraction(8, 2**n) for n, name in enumerate(TYPES)} | {"long": Fraction(16)}
TINY = Fraction(1, 72)  # quarters: less than any note
ROUNDED = Fraction(1, 24), Fraction(1, 10)  # quarters by which <duration> may miss its value
ARTICULATIONS = {"accent": "acc", "staccato": "stacc", "tenuto": "ten", "staccatissimo": "stacciss"}
ARTICULATIONS |= {"up-bow": "upbow", "down-bow": "dnbow"}
_ID = re.compile(r"[^\W\d][\w.-]*")
_WORDS = (
    (r"d\.? ?c\b|da capo", "dacapo"),
    (r"d\.? ?s\b|dal segno", "dalsegno"),
    (r"^ *fine *\.?$", "fine"),
    (r"^ *to coda\b", "tocoda"),
)


def unpack_mxl(content: bytes) -> bytes:
    """The MusicXML document inside a compressed ``.mxl`` file.

    Raises
    ------
    SfpipeError
        If it would be larger than 16 MiB.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        container = parse(_member(archive, "META-INF/container.xml"))
        root = next(e for e in container.iter() if e.tag.endswith("rootfile"))
        return _member(archive, root.attrib["full-path"])


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    size = archive.getinfo(name).file_size
    if size > MAX_BYTES:
        raise SfpipeError(f"holds {size:,} bytes, at most {MAX_BYTES:,} are read as MusicXML")
    with archive.open(name) as file:
        return file.read(MAX_BYTES)


def parse(content: bytes) -> Element:
    """The root of an XML document.

    Raises
    ------
    SfpipeError
        If it is larger than 16 MiB, or declares entities (which can grow without limit).
    """
    if len(content) > MAX_BYTES:
        raise SfpipeError(
            f"holds {len(content):,} bytes, at most {MAX_BYTES:,} are read as MusicXML"
        )
    if b"<!ENTITY" in content:
        raise SfpipeError("declares XML entities, which are not read")
    return ElementTree.fromstring(content)


def read_musicxml(content: bytes) -> Score:
    """The melody in a document with one part of one staff.

    Raises
    ------
    SfpipeError
        As `read_document`, or if it has more parts or staves.
    """
    root = parse(content)
    if len(parts := root.findall("part")) != 1 and root.tag == "score-partwise":
        raise SfpipeError(f"has {len(parts)} parts, expected 1", remedy="export the melody alone")
    if any(staves_of(part) > 1 for part in parts):
        raise SfpipeError("has more than one staff", remedy="export the melody alone")
    return read_document(root)


def read_document(root: Element) -> Score:
    """The score of a document: all its parts and staves, staves counted through from the top.

    Every pitched note gets an ``id`` in the document unless it has one of its own, so that
    it can be found again where the document is drawn.

    Raises
    ------
    SfpipeError
        If it is another kind of XML, or what it asks for is not supported; the message names the
        bar.
    """
    if root.tag != "score-partwise":
        raise SfpipeError(f"has the root element <{root.tag}>, expected <score-partwise>")
    _name_notes(root)
    parts = root.findall("part")
    software = [e.text or "" for e in root.findall("identification/encoding/software")]
    small_sounds = any(text.startswith("MuseScore") for text in software)
    readers: list[_Part] = []
    staves = 0
    for n, part in enumerate(parts):
        own = staves_of(part)
        single = len(parts) == 1 and own == 1
        reader = _Part(single=single, staff=staves, voice=n * MAX_VOICES, small=small_sounds)
        for measure in part.findall("measure"):
            reader.measure(measure)
        readers.append(reader)
        staves += own
    if sum(reader.count for reader in readers) > MAX_NOTES:
        raise SfpipeError(f"has more than {MAX_NOTES:,} notes")
    title = root.findtext("work/work-title") or root.findtext("movement-title") or ""
    bars, words = _together(readers)
    if not any(e.notes for bar in bars for e in bar.events):
        raise SfpipeError("holds no notes")
    keep_signs(bars, words)
    for number, bar in enumerate(bars, 1):
        bar.number = number
    beamed = any(e.beam for b in bars for e in b.events)
    return Score(bars, title.strip(), beamed=beamed, parts=len(parts), staves=staves)


def staves_of(part: Element) -> int:
    """Number of a part's staves, also where ``<staves>`` is missing."""
    told = [e.text for name in ("staves", "staff") for e in part.iter(name)]
    return max([1, *(int(text) for text in told if text and text.strip().isdigit())])


def jumps_in_words(text: str) -> frozenset[str]:
    """The jumps (`Bar.jumps`) that a direction asks for in words."""
    return frozenset(name for pattern, name in _WORDS if re.search(pattern, text.lower()))


def keep_signs(bars: Sequence[Bar], words: Sequence[frozenset[str]]) -> None:
    """Add the jumps that `words` ask for in each bar, unless signs ask for any."""
    if not any(set(bar.jumps) & {"dacapo", "dalsegno"} for bar in bars):
        for bar, signs in zip(bars, words, strict=True):
            bar.jumps |= signs


def _name_notes(root: Element) -> None:
    """Give an ``id`` of its own to every note that has none."""
    notes = [note for note in root.iter("note") if note.find("rest") is None]
    used: set[str] = set()
    for note in notes:
        name = note.get("id") or ""
        if not _ID.fullmatch(name) or name in used:
            note.attrib.pop("id", None)
        else:
            used.add(name)
    free = (name for n in count() if (name := f"n{n}") not in used)
    for note in notes:
        if "id" not in note.attrib:
            note.set("id", next(free))


def _together(readers: Sequence[_Part]) -> tuple[list[Bar], list[frozenset[str]]]:
    """The bars of all parts as bars of the whole score, and the signs that are words."""
    if len(readers) == 1:
        return readers[0].bars, readers[0].words
    bars = []
    for beside in zip_longest(*(reader.bars for reader in readers)):
        first, *others = (bar for bar in beside if bar is not None)
        for other in others:
            first.events += other.events
            first.length = max(first.length, other.length)
            first.tempi = sorted(dict([*other.tempi, *first.tempi]).items())
            first.repeat_start |= other.repeat_start
            first.repeat_end = max(first.repeat_end, other.repeat_end)
            first.endings = first.endings or other.endings
            first.ending_stop |= other.ending_stop
            first.jumps |= other.jumps
            first.metre = first.metre or other.metre
        bars.append(first)
    words = zip_longest(*(reader.words for reader in readers), fillvalue=frozenset[str]())
    return bars, [frozenset().union(*beside) for beside in words]


@dataclass
class _Measure:
    """What has been read of a measure; positions are in quarters from its beginning.

    `counted` is the position by the file's durations, which rounding may move away from `at`;
    `places` is the position of each count that has been come to.
    """

    at: Fraction = Fraction(0)
    counted: Fraction = Fraction(0)
    places: dict[Fraction, Fraction] = field(default_factory=lambda: {Fraction(0): Fraction(0)})
    length: Fraction = Fraction(0)
    events: list[Event] = field(default_factory=list)
    signatures: dict[Fraction, dict[str, Clef | Key | Metre | None]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    tempi: dict[Fraction, tuple[bool, Fraction]] = field(default_factory=dict)
    jumps: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)

    def advance(self, counted: Fraction, quarters: Fraction) -> None:
        """Go on by a duration, `quarters` long; what has the same count is at the same place."""
        self.counted += counted
        if self.counted not in self.places:
            self.places[self.counted] = self.at + quarters
        self.at = self.places[self.counted]

    def move(self, counted: Fraction) -> None:
        """Go forward or back by a duration; tiny ones make up for rounded ones before them."""
        before, self.counted = self.counted, self.counted + counted
        if self.counted not in self.places:
            tiny = abs(counted) < TINY
            near = max((c for c in self.places if c < self.counted), default=Fraction(0))
            self.places[self.counted] = (
                self.places[before] if tiny else self.places[near] + self.counted - near
            )
        self.at = self.places[self.counted]

    def place(self) -> Fraction:
        """Where a note begins; never before the measure, as the sum of rounded durations may."""
        if self.at < 0:
            self.counted = self.at = Fraction(0)
        return self.at


class _Part:
    """The measures of a part, one after the other.

    `single`: it is all of the score and has one staff, so that bars are cut where key, clef or
    metre change. `staff` and `voice` are added to its numbers. `small`: cue notes sound, as they
    are those of MuseScore, which writes ``<cue/>`` for all small notes and plays them.
    """

    def __init__(
        self, *, single: bool = True, staff: int = 0, voice: int = 0, small: bool = False
    ) -> None:
        self.single, self.small = single, small
        self.first_staff, self.first_voice = staff, voice
        self.bars: list[Bar] = []
        self.words: list[frozenset[str]] = []
        self.divisions = Fraction(1)
        self.key, self.clef = Key(), Clef()
        self.metre: Metre | None = None
        self.transpose = 0
        self.number = ""
        self.repeated = 0  # measures that a repeat sign stands for
        self.count = 0
        self.late: dict[Fraction, tuple[bool, Fraction]] = {}  # a tempo mark at the last bar's end

    def measure(self, element: Element) -> None:
        """Read one measure."""
        self.number = element.get("number", "")
        content = _Measure(tempi=dict(self.late))
        for child in element:
            if child.tag == "note":
                self._note(child, content)
            elif child.tag in ("backup", "forward"):
                step = self._quarters(child.findtext("duration"))
                content.move(step if child.tag == "forward" else -step)
                if content.counted < 0 and self.single:
                    raise self._error("goes back beyond its beginning")
            elif child.tag == "attributes":
                self._attributes(child, content)
            elif child.tag in ("direction", "sound"):
                self._direction(child, content)
            content.length = max(content.length, content.at)
        if not content.length:
            content.length = self.metre.quarters if self.metre else Fraction(4)
        if self.repeated and not content.events:
            content.events = self._again()
        self._finish(content, element)

    def _error(self, what: str) -> SfpipeError:
        return SfpipeError(f"measure {self.number} {what}")

    def _quarters(self, text: str | None) -> Fraction:
        try:
            value = _ratio(text or "", self.divisions)
        except (ValueError, ZeroDivisionError):
            raise self._error(f"has a duration '{text}'") from None
        if not 0 <= value <= 1000:
            raise self._error(f"has a duration of {float(value):g} quarters")
        return value

    # Signatures

    def _attributes(self, element: Element, measure: _Measure) -> None:
        if divisions := element.findtext("divisions"):
            self.divisions = Fraction(divisions)
            if self.divisions <= 0:
                raise self._error("has divisions that are not positive")
        now = measure.signatures[measure.at]
        if (fifths := element.findtext("key/fifths")) is not None:
            now["key"] = Key.of(max(-14, min(14, int(fifths))))
        if (time := element.find("time")) is not None:
            now["metre"] = self.metre = _metre(time)  # also what an empty measure lasts
        if self.single and (clef := element.find("clef")) is not None:
            now["clef"] = self._clef(clef)
        if (transpose := element.find("transpose")) is not None:
            self.transpose = int(transpose.findtext("chromatic") or 0)
            self.transpose += 12 * int(transpose.findtext("octave-change") or 0)
        for style in element.findall("measure-style"):
            repeat = style.find("measure-repeat")
            if repeat is not None:
                begins = repeat.get("type") == "start"
                self.repeated = int(repeat.text or 1) if begins else 0
            if style.find("beat-repeat") is not None or style.find("slash") is not None:
                raise self._error("is written with slashes or repeated beats")

    def _clef(self, element: Element) -> Clef:
        sign = element.findtext("sign", "G")
        if sign in ("percussion", "TAB", "jianpu"):
            raise self._error(f"has a clef for {sign}")
        usual = {"G": 2, "F": 4, "C": 3}
        if sign not in usual:
            return Clef()
        line = int(element.findtext("line") or usual[sign])
        return Clef(sign, line, int(element.findtext("clef-octave-change") or 0))

    # Directions

    def _direction(self, element: Element, measure: _Measure) -> None:
        at = measure.at
        offset = element.find("offset")
        if offset is not None and (offset.get("sound") == "yes" or element.tag == "sound"):
            at = max(Fraction(0), at + Fraction(offset.text or 0) / self.divisions)
        sounds = [element] if element.tag == "sound" else element.findall("sound")
        for sound in sounds:
            if sound.get("tempo"):
                self._tempo(measure, at, Fraction(sound.get("tempo", "")), said=True)
            for name in ("segno", "coda", "tocoda", "fine", "dacapo", "dalsegno"):
                if sound.get(name, "no") != "no":
                    measure.jumps.add(name)
        for metronome in element.iter("metronome"):
            beat, rate = metronome.findtext("beat-unit"), metronome.findtext("per-minute")
            number = re.search(r"\d+(?:\.\d+)?", rate or "")
            if beat in QUARTERS and number:
                dots = len(metronome.findall("beat-unit-dot"))
                quarters = QUARTERS[beat] * (2 - Fraction(1, 2**dots))
                self._tempo(measure, at, Fraction(number[0]) * quarters, said=False)
        for kind in element.iter("direction-type"):
            measure.words |= {n for n in ("segno", "coda") if kind.find(n) is not None}
            measure.words |= jumps_in_words(" ".join(w.text or "" for w in kind.findall("words")))

    def _tempo(self, measure: _Measure, at: Fraction, pace: Fraction, *, said: bool) -> None:
        """A tempo; what `<sound>` says counts more than what is printed beside it."""
        if not 1 <= pace <= 2000:
            raise self._error(f"asks for {float(pace):g} quarters a minute")
        if said or not measure.tempi.get(at, (False,))[0]:
            measure.tempi[at] = (said, pace)

    # Notes

    def _note(self, element: Element, measure: _Measure) -> None:
        self.count += 1
        grace = element.find("grace") is not None
        counted = Fraction(0) if grace else self._quarters(element.findtext("duration"))
        quarters = Fraction(0) if grace else self._length(element, counted)
        chord = element.find("chord") is not None and measure.events
        notes = []
        if element.find("rest") is None:
            notes = [self._pitch(element)]
        if chord:
            measure.events[-1].notes += notes
            return
        event = Event(
            quarters,
            notes,
            start=measure.place(),
            voice=self.first_voice
            + int(re.sub(r"\D", "", element.findtext("voice") or "")[-3:] or 1),
            staff=self._staff(element),
            grace=grace,
            cue=element.find("cue") is not None and not self.small,
            hidden=element.get("print-object") == "no",
            beam=element.findtext("beam[@number='1']", element.findtext("beam") or "")
            in ("begin", "continue"),
        )
        event.marks = tuple(
            name
            for group in element.findall("notations/*")
            for mark in group
            if (name := ARTICULATIONS.get(mark.tag))
        )
        measure.events.append(event)
        measure.advance(counted, quarters)

    def _staff(self, element: Element) -> int:
        return self.first_staff + int(element.findtext("staff") or 1)

    def _length(self, element: Element, quarters: Fraction) -> Fraction:
        """The duration; as printed where the divisions of a quarter could not say it exactly."""
        kind = element.findtext("type")
        if kind not in QUARTERS or element.find("rest") is not None:
            return quarters
        dots = len(element.findall("dot"))
        actual = int(element.findtext("time-modification/actual-notes") or 1)
        normal = int(element.findtext("time-modification/normal-notes") or 1)
        return _printed(kind, dots, actual, normal, quarters, self.divisions)

    def _pitch(self, element: Element) -> Note:
        pitch = element.find("pitch")
        if pitch is None:
            raise self._error("has notes without a pitch")
        text = pitch.findtext("alter") or "0"
        alter = _ratio(text, Fraction(1))
        if alter.denominator != 1:
            raise self._error("has quarter tones")
        octave = int(pitch.findtext("octave") or "")
        step = LETTERS.index(pitch.findtext("step") or "?") + 7 * octave
        midi = semitone(step, int(alter)) + self.transpose
        if midi not in MIDI_PITCHES:
            raise self._error("has a note beyond the range of MIDI")
        tie = any(t.get("type") == "start" for t in element.findall("tie"))
        printed = element.get("print-object") != "no"
        return Note(
            step, int(alter), midi, tie, element.get("id") or "", self._staff(element), printed
        )

    def _again(self) -> list[Event]:
        """The notes of the measure that a repeat sign stands for; in a melody they are printed."""
        if len(self.bars) < self.repeated:
            raise self._error("repeats a measure that is not there")
        here = f".again{len(self.bars)}"
        return [
            replace(e, notes=[replace(n, id=n.id + here, printed=self.single) for n in e.notes])
            for e in self.bars[-self.repeated].events
        ]

    # Bars

    def _finish(self, measure: _Measure, element: Element) -> None:
        """Cut the measure where key, clef or metre change in it, and add its bar lines' signs."""
        cuts = sorted(t for t, s in measure.signatures.items() if s and 0 < t < measure.length)
        cuts = cuts if self.single else []
        cuts = [t for t in cuts if not any(_over(e, t) for e in measure.events)]
        edges = [Fraction(0), *cuts, measure.length]
        first = len(self.bars)
        for low, high in pairwise(edges):
            last = high == measure.length
            self._signatures(measure, low, low)
            bar = Bar(length=high - low, key=self.key, metre=self.metre, clef=self.clef)
            bar.events = [
                e for e in measure.events if low <= e.start < high or (last and e.start == high)
            ]
            for event in bar.events:
                event.start -= low
                for note in event.notes:
                    note.step -= 7 * self.clef.octaves
            bar.tempi = [
                (t - low, p) for t, (_, p) in sorted(measure.tempi.items()) if low <= t < high
            ]
            bar.line = "single" if last else "invis"
            self.bars.append(bar)
            self.words.append(frozenset())
            self._signatures(measure, low, high)
        late = [measure.tempi[t] for t in sorted(measure.tempi) if t >= measure.length]
        self.late = {Fraction(0): late[-1]} if late else {}
        begins = {"segno", "coda"}
        self.bars[first].jumps = frozenset(measure.jumps & begins)
        self.bars[-1].jumps |= measure.jumps - begins
        self.words[first] = frozenset(measure.words & begins)
        self.words[-1] |= measure.words - begins
        for line in element.findall("barline"):
            self._bar_line(line, self.bars[first], self.bars[-1])

    def _signatures(self, measure: _Measure, after: Fraction, until: Fraction) -> None:
        for at, signs in sorted(measure.signatures.items(), key=lambda s: s[0]):
            if after < at <= until or at == after == until:
                for name, value in signs.items():
                    setattr(self, name, value)

    def _bar_line(self, element: Element, first: Bar, last: Bar) -> None:
        repeat, ending = element.find("repeat"), element.find("ending")
        left = element.get("location") == "left"
        if repeat is not None and repeat.get("direction") == "forward":
            first.repeat_start = True
        elif repeat is not None:
            last.repeat_end = min(max(int(repeat.get("times") or 2), 1), 100)
        if ending is not None and ending.get("type") == "start":
            first.endings = read_endings(re.sub(r"[^\d,-]+", ",", ending.get("number") or "1"))
        elif ending is not None:
            last.ending_stop = True
        style = element.findtext("bar-style") or ""
        if not left and style in ("light-light", "heavy-light", "heavy-heavy"):
            last.line = "dbl"
        for name in ("segno", "coda"):
            if element.get(name) or element.find(name) is not None:
                first.jumps |= {name}


@lru_cache(maxsize=4096)
def _ratio(text: str, divisions: Fraction) -> Fraction:
    return Fraction(text) / divisions


@lru_cache(maxsize=4096)
def _printed(
    kind: str, dots: int, actual: int, normal: int, quarters: Fraction, divisions: Fraction
) -> Fraction:
    """The printed length in quarters if it is as good as `quarters`, else that."""
    printed = QUARTERS[kind] * (2 - Fraction(1, 2**dots)) * Fraction(normal, actual)
    off = min(max(ROUNDED[0], Fraction(7, 10) / divisions), ROUNDED[1])
    return printed if abs(printed - quarters) < off else quarters


def _over(event: Event, at: Fraction) -> bool:
    return event.start < at < event.start + event.quarters


def _metre(element: Element) -> Metre | None:
    if element.find("senza-misura") is not None:
        return None
    beats = "+".join((b.text or "").strip() for b in element.findall("beats"))
    unit = element.findtext("beat-type", "").strip()
    if not re.fullmatch(r"\d{1,3}(\+\d{1,3})*", beats) or not re.fullmatch(r"\d{1,2}", unit):
        raise SfpipeError(f"has a metre of {beats}/{unit}")
    symbol = {"common": "C", "cut": "C|"}.get(element.get("symbol", ""), "")
    return Metre(beats, int(unit), symbol)
