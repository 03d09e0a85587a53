"""Standard MIDI files of a melody: the notes put on a grid, in bars, with a key and spelling."""

from __future__ import annotations

import io
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

from sfpipe.errors import SfpipeError
from sfpipe.notation.abc_fields import Pitching, read_key, read_metre, read_tempo
from sfpipe.notation.abc_text import header as abc_header
from sfpipe.notation.score import Bar, Clef, Event, Key, Metre, Note, Score, semitone

PERCUSSION = 9  # General MIDI's drum channel, counted from 0
MAX_BYTES = 1 << 20
MAX_NOTES = 20_000
MAX_QUARTERS = 20_000
SMALL_GAP = Fraction(1, 6)  # quarters; shorter silences are articulation, not rests
SHORTEST = Fraction(1, 12)
DEFAULT_TEMPO = 500_000  # microseconds per quarter where a file says nothing (SMF 1.0)
EXACT = 0.013  # quarters: what programs round by
SPREAD = 0.04  # quarters by which human players miss the beat
AMBIGUOUS = 0.05  # mean square root of the distances: at random it would be 0.06
# Parts of a quarter and what each costs: a finer grid must fit so much better.
DIVISIONS = {1: 0, 2: 1, 4: 2.5, 3: 3, 8: 6, 6: 6, 5: 9, 7: 11, 12: 12, 16: 13, 9: 14, 10: 14}
PLAYED = (1, 2, 4, 3)
# Weights of the degrees of a major and a minor key (Krumhansl and Kessler 1982).
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


@dataclass
class _File:
    """What a file says: notes (start, end, pitch), tempi and metres by tick."""

    ppq: int
    notes: list[tuple[int, int, int]] = field(default_factory=list)
    tempi: dict[int, int] = field(default_factory=dict)
    metres: dict[int, Metre] = field(default_factory=dict)
    key: str | None = None


def read_midi(content: bytes, header: str | None = None) -> Score:
    """The melody of a MIDI file of format 0 or 1.

    Notes of several tracks and channels are one melody; drums are left out. `header` is an ABC
    header whose M, K and Q give metre, key and tempo; the silence before an upbeat is left out
    then. Notes are put on a grid (`Score.residual` says how far the farthest was moved).

    Raises
    ------
    SfpipeError
        If the file is damaged, holds no notes, counts frames instead of beats, or its notes do
        not follow its beats.
    """
    file = _read(content)
    if not file.notes:
        raise SfpipeError("holds no notes")
    notes, residual = _on_grid(_mended(file), file.ppq)
    fields = abc_header(header) if header is not None else {}
    metres = {Fraction(t, file.ppq): m for t, m in sorted(file.metres.items())}
    pitching = Pitching()
    lead = Fraction(0)
    if header is not None:
        metre = read_metre(fields["M"]) if "M" in fields else None
        metres = {Fraction(0): metre or metres.get(Fraction(0), Metre("4", 4))}
        pitching = read_key(fields.get("K", "C"), pitching)
        lead = notes[0][0] - notes[0][0] % metres[Fraction(0)].quarters
    else:
        metres.setdefault(Fraction(0), Metre("4", 4))
        key = read_key(file.key, pitching).key if file.key else _likely_key(notes)
        pitching = Pitching(key)
    voice = _one_voice([(s - lead, e - lead, p) for s, e, p in notes])
    bars = _bars(voice, metres, pitching, upbeat=header is not None)
    if header is None:
        _set_tempi(bars, file)
    elif "Q" in fields and (pace := read_tempo(fields["Q"], Fraction(1, 2))):
        bars[0].tempi = [(Fraction(0), pace)]
    return Score(bars, fields.get("T", ""), beamed=False, residual=residual)


def _read(content: bytes) -> _File:
    import mido

    if len(content) > MAX_BYTES:
        raise SfpipeError(f"has {len(content):,} bytes, at most {MAX_BYTES:,} are read as MIDI")
    if content[:4] == b"MThd" and len(content) >= 14:
        if content[12] & 0x80:
            raise SfpipeError("counts film frames (SMPTE), not beats", remedy="export it in beats")
        if content[9] > 1:
            raise SfpipeError("is a MIDI file of format 2", remedy="export it as format 0 or 1")
    midi = mido.MidiFile(file=io.BytesIO(content))
    if midi.ticks_per_beat < 1:
        raise SfpipeError("says that a beat has no ticks")
    file = _File(midi.ticks_per_beat)
    notes: set[tuple[int, int, int]] = set()
    for track in midi.tracks:
        _read_track(track, file, notes)
    # A melody that is doubled by another track is there once.
    longest: dict[tuple[int, int], int] = {}
    for start, end, pitch in notes:
        longest[start, pitch] = max(end, longest.get((start, pitch), 0))
    file.notes = sorted((start, end, pitch) for (start, pitch), end in longest.items())
    return file


def _read_track(track: Any, file: _File, notes: set[tuple[int, int, int]]) -> None:
    tick = 0
    held: dict[tuple[int, int], int] = {}
    for event in track:
        tick += event.time
        if event.type == "set_tempo":
            file.tempi[tick] = event.tempo
        elif event.type == "time_signature":
            file.metres[tick] = Metre(str(event.numerator), event.denominator)
        elif event.type == "key_signature":
            file.key = file.key or event.key
        elif event.type in ("note_on", "note_off") and event.channel != PERCUSSION:
            name = event.channel, event.note
            if name in held:  # also if it is struck again
                start = held.pop(name)
                notes.add((start, max(tick, start + 1), event.note))
            if event.type == "note_on" and event.velocity > 0:
                held[name] = tick
    for (_, pitch), start in held.items():  # a file that ends without note-offs
        notes.add((start, max(tick, start + 1), pitch))
    if len(notes) > MAX_NOTES or tick > MAX_QUARTERS * file.ppq:
        raise SfpipeError(
            f"is longer than {MAX_NOTES:,} notes or {MAX_QUARTERS:,} quarters",
            remedy="export the melody alone",
        )


# The grid


def _mended(file: _File) -> list[tuple[Fraction, Fraction, int]]:
    """The notes in quarters; a triplet of 16ths that was rounded to 32nds is put back.

    The Nottingham MIDI files have them: 0, 1/8, 1/3 instead of 1/6, and 2/3, 7/8 instead of 5/6.
    """
    notes = [(Fraction(s, file.ppq), Fraction(e, file.ppq), p) for s, e, p in file.notes]
    odd, off = Fraction(5, 24), Fraction(1, 100)
    mended = list(notes)
    for i, (start, end, pitch) in enumerate(notes):
        after = i > 0 and abs(start - notes[i - 1][0] - odd) < off
        before = i + 1 < len(notes) and abs(notes[i + 1][0] - start - odd) < off
        if abs(start % Fraction(1, 4) - Fraction(1, 8)) < off and after != before:
            place = start + Fraction(-1 if after else 1, 24)
            mended[i] = (place, max(end, place + SHORTEST), pitch)
    return mended


def _on_grid(
    notes: Sequence[tuple[Fraction, Fraction, int]], ppq: int
) -> tuple[list[tuple[Fraction, Fraction, int]], Fraction]:
    """The notes at places that can be written, and the greatest distance to one in quarters."""
    onsets = sorted({start for start, _, _ in notes})
    places = _places(onsets, max(EXACT, 1.5 / ppq), tuple(DIVISIONS))
    if places is None:
        together = _together(onsets)
        places = _places(sorted(set(together.values())), None, PLAYED) or {}
        places = {onset: places[first] for onset, first in together.items()}
    moved = [abs(places[t] - t) for t in onsets]
    spread = math.sqrt(sum(float(m) ** 2 for m in moved) / len(moved))
    if spread > AMBIGUOUS:
        raise SfpipeError(
            f"its notes do not follow its beats (they are {spread:.2f} quarters off)",
            remedy="quantise it, or record it to a metronome",
        )
    grid = sorted(set(places.values()))
    on_grid = []
    for start, end, pitch in notes:
        at = places[start]
        coarse = Fraction(round(end * 4), 4)
        fine = Fraction(round(end * 12), 12)
        stop = coarse if abs(coarse - end) <= abs(fine - end) + Fraction(1, 24) else fine
        following = bisect_right(grid, at)
        if following < len(grid) and grid[following] < stop + SMALL_GAP:
            stop = grid[following] if grid[following] > at else stop
        on_grid.append((at, max(stop, at + SHORTEST), pitch))
    return sorted(set(on_grid)), max(moved)


def _together(onsets: Sequence[Fraction]) -> dict[Fraction, Fraction]:
    """Each onset, and the first of those that are meant to be struck with it."""
    first: dict[Fraction, Fraction] = {}
    for onset in onsets:
        last = next(reversed(first.values()), None)
        first[onset] = last if last is not None and onset - last < Fraction(1, 32) else onset
    return first


def _places(
    onsets: Sequence[Fraction], exact: float | None, divisions: Sequence[int]
) -> dict[Fraction, Fraction] | None:
    """Onset -> place on the grid, each quarter divided as fits best; None if not `exact`."""
    groups: dict[int, list[Fraction]] = defaultdict(list)
    for onset in onsets:
        groups[int(onset + Fraction(1, 24))].append(onset)
    places: dict[Fraction, Fraction] = {}
    spread = exact / 1.5 if exact else SPREAD
    for beat in groups.values():
        fits = []
        times = [float(t) for t in beat]
        for division in divisions:
            grid = [round(t * division) for t in times]
            distances = [abs(k / division - t) for k, t in zip(grid, times, strict=True)]
            if len(set(grid)) < len(beat) or (exact and max(distances) > exact):
                continue
            cost = sum((d / spread) ** 2 for d in distances) + DIVISIONS[division]
            fits.append((cost, division, grid))
        if not fits:
            if exact:
                return None
            raise SfpipeError(
                f"has notes too close together to be written, at quarter {float(beat[0]):.1f}",
                remedy="quantise it",
            )
        _, division, grid = min(fits)
        places |= {t: Fraction(k, division) for t, k in zip(beat, grid, strict=True)}
    if len(set(places.values())) < len(places):
        if exact:
            return None
        raise SfpipeError("has two notes in one place of the grid", remedy="quantise it")
    return places


def _one_voice(
    notes: Sequence[tuple[Fraction, Fraction, int]],
) -> list[tuple[Fraction, Fraction, tuple[int, ...]]]:
    """Chords (start, end, pitches) one after the other: each ends where the next begins at last."""
    groups: dict[Fraction, list[tuple[Fraction, int]]] = defaultdict(list)
    for start, end, pitch in notes:
        groups[start].append((end, pitch))
    starts = sorted(groups)
    voice = []
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        end = max(e for e, _ in groups[start])
        if following is not None:
            end = min(end, following)
        voice.append((start, end, tuple(sorted({p for _, p in groups[start]}))))
    return voice


# Bars


def _bars(
    voice: Sequence[tuple[Fraction, Fraction, tuple[int, ...]]],
    metres: dict[Fraction, Metre],
    pitching: Pitching,
    *,
    upbeat: bool,
) -> list[Bar]:
    """Bars by the metres, with rests between the notes; an `upbeat` begins with its first note."""
    spans = _spans(metres, voice[-1][1])
    clef = _clef([p for _, _, pitches in voice for p in pitches])
    items: list[tuple[Fraction, Fraction, tuple[int, ...]]] = []
    now = voice[0][0] if upbeat else Fraction(0)
    for start, end, pitches in voice:
        if start > now:
            items.append((now, start, ()))
        items.append((start, end, pitches))
        now = end
    bars = []
    first = 0
    for begin, stop, metre in spans:
        bar = Bar(key=pitching.key, clef=clef, metre=metre)
        while first < len(items) and items[first][1] <= begin:
            first += 1
        at = max(begin, items[0][0]) if upbeat else begin
        for start, end, pitches in items[first:]:
            if start >= stop:
                break
            for low, high in _pieces(max(start, at), min(end, stop)):
                notes = [_note(p, pitching, tie=high < end) for p in pitches]
                bar.events.append(Event(high - low, notes, low - at))
        bar.length = stop - at
        bars.append(bar)
    _finish(bars)
    return bars


def _finish(bars: list[Bar]) -> None:
    """Fill the last bar with a rest and number the bars."""
    filled = sum((e.quarters for e in bars[-1].events), Fraction(0))
    if filled < bars[-1].length:
        bars[-1].events += [
            Event(high - low, [], low) for low, high in _pieces(filled, bars[-1].length)
        ]
    for number, bar in enumerate(bars, 1):
        bar.number = number


def _spans(metres: dict[Fraction, Metre], end: Fraction) -> list[tuple[Fraction, Fraction, Metre]]:
    """(begin, stop, metre) of each bar until `end`; a new metre begins a bar."""
    spans = []
    changes = sorted(metres.items())
    for (start, metre), until in zip(changes, [*(t for t, _ in changes[1:]), end], strict=True):
        at = start
        while at < min(until, end):
            stop = at + metre.quarters
            if until < end:
                stop = min(stop, until)
            spans.append((at, stop, metre))
            at = stop
    return spans


def _pieces(start: Fraction, end: Fraction) -> list[tuple[Fraction, Fraction]]:
    """A length cut at the quarters where it leaves or enters a tuplet."""
    cuts = [start]
    for at, edge in ((start, math.ceil(start)), (end, math.floor(end))):
        if at.denominator & (at.denominator - 1) and cuts[-1] < edge < end:
            cuts.append(Fraction(edge))
    return list(pairwise([*cuts, end]))


def _set_tempi(bars: list[Bar], file: _File) -> None:
    tempi = {0: DEFAULT_TEMPO} | file.tempi
    starts = [Fraction(0)]
    for bar in bars:
        starts.append(starts[-1] + bar.length)
    for tick, micros in sorted(tempi.items()):
        at = Fraction(tick, file.ppq)
        if not micros:
            raise SfpipeError("has a tempo of 0 microseconds per quarter")
        if at < starts[-1]:
            i = bisect_right(starts, at) - 1
            bars[i].tempi.append((at - starts[i], Fraction(60_000_000, micros)))


def _clef(pitches: Sequence[int]) -> Clef:
    """Bass below the C under middle C, on the average; treble else."""
    return Clef("F", 4) if sum(pitches) / len(pitches) < 53 else Clef()


# Keys and spelling


def _note(midi: int, pitching: Pitching, *, tie: bool) -> Note:
    """The note of a MIDI pitch as the key spells it: C minor has E flat, D minor C sharp."""
    sharps = pitching.key.fifths or 0
    # On the line of fifths (F = -1, C = 0, G = 1) the key's notes are sharps - 1 to sharps + 5;
    # three flats more and three sharps make all twelve.
    low = sharps - 3
    place = low + (midi * 7 - low) % 12
    letter = (place * 4) % 7
    alter = (place + 1) // 7
    step = letter + 7 * ((midi - alter) // 12 - 1)
    assert semitone(step, alter) == midi
    return Note(step, alter, midi, tie)


def _likely_key(notes: Sequence[tuple[Fraction, Fraction, int]]) -> Key:
    """The key in whose profile the lengths of the pitch classes fit best."""
    weights = [0.0] * 12
    for start, end, pitch in notes:
        weights[pitch % 12] += float(end - start)
    best = max(
        (_correlation(weights[tonic:] + weights[:tonic], profile), -abs(fifths), fifths)
        for profile, shift in ((_MAJOR, 0), (_MINOR, -3))
        for tonic in range(12)
        for fifths in [((tonic * 7 + shift) + 5) % 12 - 5]
    )
    return Key.of(best[2])


def _correlation(a: Sequence[float], b: Sequence[float]) -> float:
    x, y = ([v - sum(s) / len(s) for v in s] for s in (a, b))
    norm = math.sqrt(sum(v * v for v in x) * sum(v * v for v in y))
    return sum(v * w for v, w in zip(x, y, strict=True)) / norm if norm else 0.0
