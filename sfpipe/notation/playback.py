"""The order in which the bars of a score sound, and when each of its notes is struck."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby

from sfpipe.errors import SfpipeError
from sfpipe.notation.score import Bar, Event, Score

TICKS = 960  # per quarter: 64ths, triplets and quintuplets are whole numbers
GRACE_S = 0.08  # a grace note's length, taken from the note it ornaments
GRACE_SHARE = 0.5  # grace notes take at most so much of that note
MAX_PLAYED = 20_000  # notes when all repeats are written out
MAX_SECONDS = 3600.0
UNMARKED_NOTES = 240.0  # notes a minute of a whole score without a tempo mark: allegro
REMEDY = "correct the repeat signs"


@dataclass(frozen=True)
class TempoMap:
    """Microseconds per quarter from each tick on; the first entry is at tick 0."""

    changes: tuple[tuple[int, int], ...]

    def seconds(self, tick: int) -> float:
        """Time of `tick` in seconds."""
        total = 0
        for i, (start, micros) in enumerate(self.changes):
            end = self.changes[i + 1][0] if i + 1 < len(self.changes) else tick
            if start >= tick:
                break
            total += (min(end, tick) - start) * micros
        return total / (TICKS * 1e6)

    def micros(self, tick: int) -> int:
        """Microseconds per quarter at `tick`."""
        return next((m for t, m in reversed(self.changes) if t <= tick), self.changes[0][1])


@dataclass(frozen=True, slots=True)
class Head:
    """One printed note head.

    `onset` and `end` are in ticks (960 per quarter) as sounded, grace notes worked in; `written`
    is the onset as notated, in ticks. A `tied` head continues a sounding note; its onset is its
    own place in the score, but nothing is struck there. One that is not `printed` sounds only.
    """

    id: str
    written: int
    onset: int
    end: int
    midi_pitch: int
    tied: bool
    grace: bool
    staff: int = 1
    printed: bool = True

    @property
    def note(self) -> str:
        """The note's id in the file: `id` without the number of the pass, which `unfold` adds."""
        return self.id.rpartition("-")[0]


@dataclass(frozen=True)
class Sound:
    """One struck note, in ticks of 1/960 quarter."""

    onset: int
    end: int
    midi_pitch: int


# The order of the bars


def order(score: Score) -> list[tuple[int, int]]:
    """(index of the bar, which time it is played) in the order of playing.

    Repeats without a start sign go back to the last double bar line or end of a repeat (ABC 2.1,
    4.8). After a jump (D.C., D.S.) repeats are not played again and last endings are taken.

    Raises
    ------
    SfpipeError
        If an ending, a part or a sign is missing, or the repeats ask for more than 20,000 notes.
    """
    walked: Iterator[int]
    if score.order and any(bar.part for bar in score.bars):
        spans = _part_spans(score)
        walked = (i for a, b in spans for i in _walk(score.bars[a:b], a))
    else:
        walked = _walk(score.bars, 0)
    return _counted(score, walked)


def _counted(score: Score, bars_played: Iterable[int]) -> list[tuple[int, int]]:
    """(index of the bar, which time it is played) of bars in the order of playing."""
    visits: Counter[int] = Counter()
    played = []
    total = 0
    for i in bars_played:
        visits[i] += 1
        played.append((i, visits[i]))
        total += max(1, len(score.bars[i].events))
        if total > MAX_PLAYED:
            raise SfpipeError(
                f"has more than {MAX_PLAYED:,} notes when its repeats are written out"
            )
    return played


def _part_spans(score: Score) -> list[tuple[int, int]]:
    """First bar and the bar after the last of each part, in the order of playing."""
    starts = [i for i, bar in enumerate(score.bars) if bar.part]
    ends = [*starts[1:], len(score.bars)]
    parts: dict[str, tuple[int, int]] = {}
    for a, b in zip(starts, ends, strict=True):
        parts.setdefault(score.bars[a].part, (a, b))
    missing = [name for name in score.order if name not in parts]
    if missing:
        raise SfpipeError(f"P: names the part {missing[0]}, which is not there")
    before = [(0, starts[0])] if starts[0] else []
    return before + [parts[name] for name in score.order]


def _walk(bars: Sequence[Bar], offset: int) -> Iterator[int]:
    """Indices in order of playing, each plus `offset`."""
    jump = _Jumps(bars)
    sections = _Sections(bars)
    position, turn, jumped = 0, 1, False
    since = 0  # where the section that is played began
    while position < len(bars):
        bar = bars[position]
        if sections.starts[position] != since:
            since, turn = sections.starts[position], 1
        if bar.endings and position in sections.endings:
            turn = sections.last_turn(position) if jumped else turn
            target = sections.ending(position, turn)
            if target != position:
                position = target
                continue
        yield position + offset
        here = sections.repeats.get(position)
        if here and not jumped and turn < here:
            turn += 1
            position = since
            continue
        past, jumped = jump.after(position, jumped)
        position = sections.beyond(position, jumped) if past == position + 1 else past


class _Sections:
    """Where each repeated section begins, how often it is played, and its endings."""

    def __init__(self, bars: Sequence[Bar]) -> None:
        self.bars = bars
        self.starts: list[int] = []  # for each bar, of the section that it belongs to
        self.repeats: dict[int, int] = {}  # bar with an end sign -> how often
        self.endings: dict[int, list[int]] = {}  # first bar of an ending -> all of its section's
        self.stops: dict[int, int] = {}  # first bar of an ending -> the bar after it
        self._scan()

    def _scan(self) -> None:
        bars, start, i = self.bars, 0, 0
        signed = False  # the section began with a sign of its own
        while i < len(bars):
            if bars[i].repeat_start:
                start, signed = i, True
            if bars[i].endings:
                i = self._group(i, start)
                start, signed = i, False
                continue
            self.starts.append(start)
            follows = i + 1 < len(bars) and bars[i + 1].endings
            if bars[i].repeat_end:
                self.repeats[i] = bars[i].repeat_end
            if (bars[i].repeat_end or (bars[i].line == "dbl" and not signed)) and not follows:
                start, signed = i + 1, False
            i += 1

    def _group(self, first: int, start: int) -> int:
        """Take the endings that begin at `first`, one after the other; the bar after them."""
        bars, i = self.bars, first
        firsts: list[int] = []
        while i < len(bars) and bars[i].endings and not (firsts and bars[i].repeat_start):
            if firsts and set(bars[i].endings) & {1} and 1 in bars[firsts[0]].endings:
                break  # another section's first ending
            firsts.append(i)
            stop = self._stop(i)
            self.stops[firsts[-1]] = stop
            self.starts += [start] * (stop - i)
            i = stop
        most = max(max(bars[f].endings) for f in firsts)
        if len(firsts) == 1 and bars[i - 1].repeat_end:
            most += 1  # what follows is the other ending, without a bracket
        for f in firsts:
            self.endings[f] = firsts
            last = self.stops[f] - 1
            if bars[last].repeat_end:
                self.repeats[last] = max(most, 2)
        return i

    def _stop(self, first: int) -> int:
        """The bar after the ending that begins at `first`."""
        for i in range(first, len(self.bars)):
            bar = self.bars[i]
            if i > first and (bar.endings or bar.repeat_start):
                return i
            if bar.ending_stop or bar.repeat_end or bar.line in ("dbl", "end"):
                return i + 1
        return len(self.bars)

    def ending(self, position: int, turn: int) -> int:
        """The bar with which the music goes on where the endings begin."""
        group = self.endings[position]
        here = [f for f in group if turn in self.bars[f].endings]
        if here:
            return here[0]
        after = self.stops[group[-1]]
        if len(group) == 1 and turn == max(self.bars[group[0]].endings) + 1:
            return after
        if len(group) == 1 and turn == 1:
            return position  # a bracket without a repeat
        raise SfpipeError(
            f"its repeats cannot be unfolded (bar {self.bars[position].number} has no ending for "
            f"time {turn})",
            remedy=REMEDY,
        )

    def beyond(self, position: int, jumped: bool) -> int:
        """The bar after `position`: behind all endings where one of them was the last played."""
        after = position + 1
        group = self.endings.get(after)
        if group is None or after == group[0]:
            return after
        if position not in self.repeats and not jumped:
            raise SfpipeError(
                f"its repeats cannot be unfolded (bar {self.bars[position].number} ends an ending "
                "without a repeat sign, and another follows)",
                remedy=REMEDY,
            )
        return self.stops[group[-1]]

    def last_turn(self, position: int) -> int:
        """The time through whose ending is taken after a jump."""
        return max(max(self.bars[f].endings) for f in self.endings[position])


class _Jumps:
    """D.C., D.S., fine and coda: each is taken once."""

    def __init__(self, bars: Sequence[Bar]) -> None:
        self.bars = bars
        names = [set(bar.jumps) for bar in bars]
        jumps = {"dacapo", "dalsegno"}
        self.active = any(jumps & n for n in names)
        codas = [i for i, n in enumerate(names) if "coda" in n]
        tocoda = [i for i, n in enumerate(names) if "tocoda" in n]
        if not tocoda and len(codas) > 1:
            tocoda, codas = codas[:1], codas[1:]
        self.tocoda = set(tocoda) if codas else set()
        self.coda = codas[-1] if codas else None
        self.segno = next((i for i, n in enumerate(names) if "segno" in n), None)
        if self.tocoda and not self.active:
            self.tocoda = set()
        for i, n in enumerate(names):
            if "dalsegno" in n and self.segno is None:
                raise SfpipeError(
                    f"its repeats cannot be unfolded (bar {bars[i].number} jumps to a sign that "
                    "is not there)",
                    remedy=REMEDY,
                )

    def after(self, position: int, jumped: bool) -> tuple[int, bool]:
        """The bar after the one at `position`, and whether a jump has been taken."""
        here = self.bars[position].jumps
        if not self.active or not here:
            return position + 1, jumped
        if jumped:
            if "fine" in here:
                return len(self.bars), True
            if position in self.tocoda and self.coda is not None:
                return self.coda, True
            return position + 1, True
        if "dacapo" in here:
            return 0, True
        if "dalsegno" in here and self.segno is not None:
            return self.segno, True
        return position + 1, False


def unfold(score: Score, bars_played: Sequence[int] | None = None) -> Score:
    """The score with its repeats and jumps written out.

    The notes' names get the number of the time they are played, so ``n12`` becomes ``n12-1``.

    Parameters
    ----------
    bars_played:
        Indices of the bars in the order in which they are played; None: as the score's signs say
        (`order`). ``range(len(score.bars))`` plays every bar once.

    Raises
    ------
    SfpipeError
        As `order`.
    """
    number(score)
    paces = _paces(score)
    bars = []
    passes = order(score) if bars_played is None else _counted(score, bars_played)
    for n, (i, time) in enumerate(passes, 1):
        bar = score.bars[i]
        tempi = bar.tempi
        if (pace := paces[i]) is not None and not (tempi and tempi[0][0] == 0):
            tempi = [(Fraction(0), pace), *tempi]
        copy = replace(bar, events=[_copy(e, time) for e in bar.events], tempi=tempi, number=n)
        copy.line = "dbl" if bar.repeat_end and bar.line == "single" else bar.line
        copy.repeat_start, copy.repeat_end, copy.endings, copy.jumps = False, 0, (), frozenset()
        bars.append(copy)
    return replace(score, bars=bars, order=())


def play_as_printed(
    score: Score, notes_per_minute: float = UNMARKED_NOTES
) -> tuple[list[Head], TempoMap, bool]:
    """Every bar once, whatever the signs of repeats say.

    Parameters
    ----------
    notes_per_minute:
        If the score has no tempo mark: how often its most frequent value is played in a minute.

    Returns
    -------
    tuple
        The notes (`sounding_heads`), the tempo, and whether the score says how fast it is.

    Raises
    ------
    SfpipeError
        If it lasts longer than an hour.
    """
    played = unfold(score, range(len(score.bars)))
    tempo, marked = tempo_map(played, notes_per_minute)
    return sounding_heads(played, tempo), tempo, marked


def _paces(score: Score) -> list[Fraction | None]:
    """The tempo in force where each bar begins, as written."""
    paces = []
    pace = score.tempo
    for bar in score.bars:
        paces.append(pace)
        if bar.tempi:
            pace = bar.tempi[-1][1]
    return paces


def _copy(event: Event, time: int) -> Event:
    notes = [replace(note, id=f"{note.id}-{time}") for note in event.notes]
    return replace(event, notes=notes)


def number(score: Score) -> None:
    """Name all notes in reading order, ``n0``, ``n1``, ... (those that have no name yet)."""
    n = 0
    for _, event in score.events():
        for note in event.notes:
            note.id = note.id or f"n{n}"
            n += 1


# Times


def tempo_map(score: Score, notes_per_minute: float) -> tuple[TempoMap, bool]:
    """The tempo of an unfolded score, and whether it is marked.

    Without a mark, the most frequent note value is played `notes_per_minute` times a minute. The
    first mark holds from the beginning, unless `Score.tempo` says what holds before it.
    """
    changes: dict[int, int] = {}
    start = Fraction(0)
    for bar in score.bars:
        for offset, pace in bar.tempi:
            changes[round(TICKS * (start + offset))] = round(60e6 / float(pace))
        start += bar.length
    if not changes:
        values = Counter(e.quarters for _, e in score.events() if e.notes and not e.grace)
        value = values.most_common(1)[0][0] if values else Fraction(1)
        return TempoMap(((0, round(60e6 / (notes_per_minute * float(value)))),)), False
    ticks = sorted(changes.items())
    if ticks[0][0] > 0:
        ticks[0] = (0, ticks[0][1])
    kept = [t for i, t in enumerate(ticks) if i == 0 or t[1] != ticks[i - 1][1]]
    return TempoMap(tuple(kept)), True


def heads(score: Score, tempo: TempoMap) -> list[Head]:
    """The printed heads of an unfolded melody with sounding times; hidden and cue notes left out.

    Ties are joined; grace notes sound at the expense of the note they ornament.

    Raises
    ------
    SfpipeError
        If it lasts longer than an hour.
    """
    placed: list[Head] = []
    ties: Counter[tuple[int, Fraction]] = Counter()
    raw = [r for r in _events(score, tempo) if not r.event.hidden]
    for quarter, graces, main in _columns(raw):
        written = round(TICKS * quarter)
        each = _grace_ticks(main, len(graces), tempo.micros(written)) if graces else 0
        for n, event in enumerate(graces):
            placed += _grace(event, quarter, written + n * each, each)
        placed += _plain(main, quarter, ties, each * len(graces) if main else 0)
    return placed


def sounding_heads(score: Score, tempo: TempoMap) -> list[Head]:
    """The notes of an unfolded score of any number of voices with sounding times, without cues.

    As `heads`, but hidden notes sound, and grace notes sound before the beat, so that what other
    voices play on it stays together: they take at most half of the time since the notes before.
    At the very beginning they come on the beat.

    Raises
    ------
    SfpipeError
        If it lasts longer than an hour.
    """
    placed: list[Head] = []
    ties: Counter[tuple[int, Fraction]] = Counter()
    before = 0
    for quarter, graces, main in _columns(_events(score, tempo)):
        written = round(TICKS * quarter)
        runs: dict[tuple[int, int], list[Event]] = {}
        for event in graces:
            runs.setdefault((event.staff, event.voice), []).append(event)
        longest = max(map(len, runs.values()), default=0)
        room = written - before
        grace_ticks = round(GRACE_S * 1e6 * TICKS / tempo.micros(written))
        each = min(grace_ticks, int(GRACE_SHARE * room) // max(longest, 1)) if runs else 0
        delay = 0
        if runs and each < 1:  # nothing sounds before
            each = _grace_ticks(main, longest, tempo.micros(written))
            delay = longest * each
        for run in runs.values():
            for n, event in enumerate(run):
                onset = written + delay - (len(run) - n) * each
                placed += _grace(event, quarter, onset, each, ties=ties, beat=written + delay)
        placed += _plain(main, quarter, ties, delay)
        before = written
    return placed


@dataclass(slots=True)
class _Raw:
    event: Event
    quarter: Fraction


def _events(score: Score, tempo: TempoMap) -> list[_Raw]:
    """What sounds, in order of time; grace notes before what they ornament."""
    raw, start = [], Fraction(0)
    for bar in score.bars:
        raw += [_Raw(e, start + e.start) for e in bar.events if e.notes and not e.cue]
        start += bar.length
    if tempo.seconds(round(TICKS * start)) > MAX_SECONDS:
        raise SfpipeError("lasts longer than an hour")
    raw.sort(key=lambda r: (r.quarter, not r.event.grace))
    return raw


def _columns(raw: list[_Raw]) -> Iterator[tuple[Fraction, list[Event], list[Event]]]:
    """(quarter, grace notes, other notes) of all that is written at one place."""
    for quarter, column in groupby(raw, key=lambda r: r.quarter):
        events = [r.event for r in column]
        yield quarter, [e for e in events if e.grace], [e for e in events if not e.grace]


def _grace_ticks(main: list[Event], n: int, micros: int) -> int:
    grace_ticks = round(GRACE_S * 1e6 * TICKS / micros)
    room = min((round(TICKS * e.quarters) for e in main), default=n * grace_ticks * 2)
    return max(1, min(grace_ticks, int(GRACE_SHARE * room) // n))


def _grace(
    event: Event,
    quarter: Fraction,
    onset: int,
    ticks: int,
    *,
    ties: Counter[tuple[int, Fraction]] | None = None,
    beat: int = 0,
) -> list[Head]:
    """Heads of a grace note; one that is tied to its main note lasts until the `beat`."""
    result = []
    written = round(TICKS * quarter)
    for note in event.notes:
        end = onset + ticks
        if note.tie and ties is not None:
            ties[note.midi, quarter] += 1
            end = beat
        result.append(
            Head(note.id, written, onset, end, note.midi, False, True, note.staff, note.printed)
        )
    return result


def _plain(
    events: list[Event], quarter: Fraction, ties: Counter[tuple[int, Fraction]], delay: int
) -> list[Head]:
    """Heads on their beat; one is `tied` if a tie of its pitch ends where it begins.

    `ties` counts the ties that are open, by pitch and the quarter at which they end.
    """
    result = []
    written = round(TICKS * quarter)
    starts: list[tuple[int, Fraction]] = []
    for event in events:
        end = quarter + event.quarters
        for note in event.notes:
            tied = ties[note.midi, quarter] > 0
            if tied:
                ties[note.midi, quarter] -= 1
            if note.tie:
                starts.append((note.midi, end))
            result.append(
                Head(
                    note.id,
                    written,
                    written if tied else written + delay,
                    round(TICKS * end),
                    note.midi,
                    tied,
                    False,
                    note.staff,
                    note.printed,
                )
            )
    ties.update(starts)
    return result


def sounding_notes(printed: Sequence[Head]) -> list[Sound]:
    """One `Sound` per struck head, lengthened by the heads tied to it, in time order."""
    sounds: list[Sound] = []
    open_at: dict[tuple[int, int], int] = {}
    for head in printed:
        i = open_at.pop((head.midi_pitch, head.onset), None) if head.tied else None
        if i is None:
            i = len(sounds)
            sounds.append(Sound(head.onset, head.end, head.midi_pitch))
        else:
            sounds[i] = Sound(sounds[i].onset, head.end, head.midi_pitch)
        open_at[head.midi_pitch, head.end] = i
    return sorted(sounds, key=lambda s: (s.onset, s.midi_pitch))


def distinct(sounds: Sequence[Sound]) -> list[Sound]:
    """The same on one keyboard: a key that is struck again is let go, and struck once at a time.

    `sounds` are in time order. Where two voices strike one key at once the longer note counts.
    """
    result: list[Sound] = []
    latest: dict[int, int] = {}
    for sound in sounds:
        i = latest.get(sound.midi_pitch)
        if i is not None and result[i].onset == sound.onset:
            end = max(result[i].end, sound.end)
            result[i] = Sound(sound.onset, end, sound.midi_pitch)
            continue
        if i is not None and result[i].end > sound.onset:
            result[i] = Sound(result[i].onset, sound.onset, sound.midi_pitch)
        latest[sound.midi_pitch] = len(result)
        result.append(sound)
    return result
