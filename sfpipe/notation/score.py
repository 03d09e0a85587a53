"""A score as data: bars of notes and rests, with the signs that say how they are played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from sfpipe.errors import SfpipeError

LETTERS = "CDEFGAB"
SEMITONES = (0, 2, 4, 5, 7, 9, 11)
SHARPS = (3, 0, 4, 1, 5, 2, 6)  # letters in the order in which key signatures sharpen them
MIDI_PITCHES = range(128)
MAX_BEATS = 128
UNITS = (1, 2, 4, 8, 16, 32, 64)
ZERO = Fraction(0)


def semitone(step: int, alter: int) -> int:
    """MIDI pitch of a diatonic step (C4 = 28, D4 = 29, ...) altered by semitones."""
    return 12 * (step // 7 + 1) + SEMITONES[step % 7] + alter


@dataclass(frozen=True)
class Key:
    """Semitones by which each letter, C to B, is altered.

    `shown` is False where nothing is printed for it (the Highland pipes' ``K:HP``).
    """

    alters: tuple[int, ...] = (0,) * 7
    shown: bool = True

    @classmethod
    def of(cls, fifths: int) -> Key:
        """The key signature of so many sharps (negative: flats)."""
        count, alters = abs(fifths), [0] * 7
        order = SHARPS if fifths > 0 else SHARPS[::-1]
        for n in range(count):  # more than seven: double sharps
            alters[order[n % 7]] += 1 if fifths > 0 else -1
        return cls(tuple(alters))

    @property
    def fifths(self) -> int | None:
        """Number of sharps (negative: flats), or None for a signature of its own."""
        total = sum(self.alters)
        return total if Key.of(total).alters == self.alters else None


@dataclass(frozen=True)
class Metre:
    """A time signature as printed; `symbol` is ``C``, ``C|`` or empty.

    Raises
    ------
    SfpipeError
        If its bars would take no time, or so little that there were millions of them.
    """

    beats: str
    unit: int
    symbol: str = ""

    def __post_init__(self) -> None:
        total = sum(int(n) for n in self.beats.split("+"))
        if not 0 < total <= MAX_BEATS or self.unit not in UNITS:
            raise SfpipeError(f"has a metre of {self.beats}/{str(self.unit)[:6]}")

    @property
    def quarters(self) -> Fraction:
        """Length of a full bar."""
        return Fraction(4 * sum(int(n) for n in self.beats.split("+")), self.unit)

    @property
    def compound(self) -> bool:
        """Whether it is 6/8, 9/8, 12/8 or their like."""
        beats = sum(int(n) for n in self.beats.split("+"))
        return beats > 3 and beats % 3 == 0 and self.unit >= 8


@dataclass(frozen=True)
class Clef:
    """A clef on a line of the staff; `octaves`: those of the small 8 or 15 at it."""

    shape: str = "G"
    line: int = 2
    octaves: int = 0


class Tuplet(NamedTuple):
    """`actual` notes in the time of `normal`; notes of one bracket share the `group`."""

    actual: int
    normal: int
    group: int


@dataclass(slots=True)
class Note:
    """One note of an event: its place on the staff, what it sounds, and its name.

    `step` is the written diatonic step (C4 = 28), `alter` its written alteration in semitones,
    `midi` the sounding pitch. `tie`: a tie leads from here to the next note of this pitch.
    `staff` counts from 1 at the top of the system; not `printed` sounds and is not in the image.
    """

    step: int
    alter: int
    midi: int
    tie: bool = False
    id: str = ""
    staff: int = 1
    printed: bool = True


@dataclass(slots=True)
class Event:
    """A note, a chord or (without notes) a rest.

    `start` is in quarters from the beginning of the bar; `quarters` is its length, 0 for grace
    notes. `staff` is that of its first note; `voice` is unique in its staff. `beam`: a beam joins
    it to the event after it. `hidden` takes time and prints nothing;
    `cue` is printed small and does not sound. `marks` are articulations by their MEI names.
    """

    quarters: Fraction
    notes: list[Note] = field(default_factory=list)
    start: Fraction = ZERO
    voice: int = 1
    staff: int = 1
    grace: bool = False
    cue: bool = False
    hidden: bool = False
    beam: bool = False
    tuplets: tuple[Tuplet, ...] = ()
    marks: tuple[str, ...] = ()


@dataclass(slots=True)
class Bar:
    """The music between two bar lines, and the signs at them.

    `repeat_end` is how often the section that ends here is played (0: no sign). `endings` are the
    passes for which an ending that begins here is played, `ending_stop` says that it ends here.
    `jumps` are signs by name: ``segno`` and ``coda`` stand at the beginning, ``tocoda``, ``fine``,
    ``dacapo`` and ``dalsegno`` at the end. `tempi` are (quarters from the bar's start, quarters
    per minute). `line` is the bar line at the end: single, dbl, end, invis or dotted.
    """

    events: list[Event] = field(default_factory=list)
    length: Fraction = ZERO
    key: Key = Key()
    metre: Metre | None = None
    clef: Clef = Clef()
    tempi: list[tuple[Fraction, Fraction]] = field(default_factory=list)
    repeat_start: bool = False
    repeat_end: int = 0
    endings: tuple[int, ...] = ()
    ending_stop: bool = False
    jumps: frozenset[str] = frozenset()
    part: str = ""
    line: str = "single"
    number: int = 0


@dataclass
class Score:
    """Bars in the order in which they are written.

    `order` lists the parts (`Bar.part`) in the order in which they are played, if the file says
    so. `residual`: greatest distance in quarters by which a MIDI note was moved to its written
    place. `beamed`: the file says which notes beams join. `tempo`: quarters per minute that hold
    until the first mark, None: the first mark's. `parts` and `staves`: their number.
    """

    bars: list[Bar]
    title: str = ""
    order: tuple[str, ...] = ()
    beamed: bool = True
    residual: Fraction = ZERO
    tempo: Fraction | None = None
    parts: int = 1
    staves: int = 1

    def events(self) -> Iterator[tuple[Bar, Event]]:
        """All events with their bars, as written."""
        for bar in self.bars:
            for event in bar.events:
                yield bar, event

    def transposition(self, staves: int | None = None) -> int:
        """Semitones from where the notes stand to what sounds, of most of the printed notes.

        A transposing instrument, or a clef with a small 8, gives it.

        Parameters
        ----------
        staves:
            How many of a system's staves count, from the lowest; None: all.
        """
        first = 1 if staves is None else self.staves - staves + 1
        counted = Counter(
            note.midi - semitone(note.step, note.alter)
            for _, event in self.events()
            for note in event.notes
            if note.printed and note.staff >= first
        )
        return counted.most_common(1)[0][0] if counted else 0

    def pitches(self) -> tuple[int, ...]:
        """Sounding MIDI pitches in written order, without grace and cue notes; top of a chord."""
        return tuple(
            max(n.midi for n in e.notes)
            for _, e in self.events()
            if e.notes and not e.grace and not e.cue
        )

    def not_monophonic(self) -> str | None:
        """Why it is not a melody of one voice, or None."""
        if any(len(e.notes) > 1 and not e.grace for _, e in self.events()):
            return "chords"
        voices = {(e.staff, e.voice) for _, e in self.events() if e.notes}
        return f"{len(voices)} voices" if len(voices) > 1 else None
