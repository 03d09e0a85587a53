"""Performances as people practise: cut from a performance, with jumps, restarts and pauses.

A *take* is a new spectrogram, cut together from stretches of a performance. Cuts are made at onsets
between two frames, before the one in which the new note is struck, so that nothing of the note that
is left out is heard. What becomes of the sound in a pause is computed: it dies away to the
quietest that the recording has. All choices are drawn by one generator.

Kinds of `PracticeEvent`
----------------
``begin``
    The take begins at a bar that nobody told the follower of.
``false start``
    The first seconds are played, then, after a stop, the piece begins again.
``back``, ``forward``
    From the end of a bar to the beginning of any other, at once.
``restart``
    After a short stop, at any note, the last one to four bars are played again.
``left out``
    One to four bars are missing.
``pause``
    Two to ten seconds of nothing; then the music goes on.
``elsewhere``
    Such a pause; then the music goes on at any bar.
``as written``
    The performer played a repeat, or what comes after one: two parts of one performance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from sfpipe.audio.midi import Midi
from sfpipe.store.bank import PerformanceInfo, merge_onsets
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from sfpipe.store.schema import FPS
from sfpipe.store.window import Window

JUMPS = ("back", "forward", "restart", "left out", "elsewhere")
KINDS = ("begin", "false start", *JUMPS, "as written", "pause")
BETWEEN_S = (8.0, 14.0)  # of music between two events
REST_S = 7.0  # of music that must be left where a jump leads
PAUSE_S, STOP_S = (2.0, 10.0), (0.3, 1.5)
FALSE_START_S = (1.5, 4.0)  # of music before it begins again
LONGEST_S, SHORTEST_S = 150.0, 60.0  # of a take; between them it is as long as the piece
FALSE_START_SHARE = 0.3  # of the takes; the others begin anywhere
MOST_BARS = 4  # that are left out, or played again
ALIKE_S, ALIKE_SHARE = 3.0, 0.9  # so long so many of the onsets have the same notes
WRONG, MISSING = 0.05, 0.05  # shares of notes
_DECAY_S = 0.15  # in which sound falls to 1/e when the player stops
_PART = re.compile(r"(.*)-part(\d+)")


@dataclass(frozen=True)
class PracticeEvent:
    """What happens in a take.

    Attributes
    ----------
    kind:
        One of `KINDS`.
    frame:
        Of the take, in which the first note after it is struck.
    from_px, to_px:
        Strip px of the last position before it and of the first one after it.
    alike:
        Whether the score has the same notes elsewhere for the first seconds after it: then nobody
        who only listens can tell where the music is.
    """

    kind: str
    frame: int
    from_px: float
    to_px: float
    alike: bool = False


@dataclass(frozen=True)
class PracticeTake:
    """Something to be followed.

    Attributes
    ----------
    kind:
        ``practice`` has events; ``plain`` and ``wrong notes`` have none.
    spectrogram:
        float32 [shape=(78, n)].
    target_px:
        float64 [shape=(n,)], strip px in each frame, NaN where nothing is played.
    """

    piece: str
    performance: str
    kind: str
    spectrogram: np.ndarray
    target_px: np.ndarray
    events: tuple[PracticeEvent, ...] = ()


@dataclass(frozen=True)
class Stretch:
    """A part of a performance that is played, and what led to it.

    Attributes
    ----------
    onset:
        Index of its first (merged) onset.
    end:
        Frame of the performance behind its last one.
    pause:
        Frames of nothing before it.
    """

    onset: int
    end: int
    kind: str
    pause: int = 0


def plain_take(
    info: PerformanceInfo, record: PerformanceRecord, kind: str = "plain"
) -> PracticeTake:
    """A performance as it is, from its first onset to its last."""
    take = cut(info, record, [Stretch(0, int(info.onset_frames[-1]) + 1, "begin")])
    return replace(take, kind=kind)


def practice_take(
    info: PerformanceInfo, record: PerformanceRecord, bar_px: np.ndarray, rng: np.random.Generator
) -> PracticeTake | None:
    """A performance cut as its player might have practised; None where it is too short.

    Parameters
    ----------
    bar_px:
        Bar lines, strip px, increasing; where there are fewer than four, any onset begins a bar.
    """
    stretches = plan(info.onset_frames, bars_of(info, bar_px), rng)
    return cut(info, record, stretches) if stretches else None


def bars_of(info: PerformanceInfo, bar_px: np.ndarray) -> np.ndarray:
    """Indices of the onsets that begin a bar, int64, increasing."""
    first = np.searchsorted(info.onset_x_px, bar_px)
    bars = np.unique(np.concatenate([[0], first[first < len(info.onset_x_px)]])).astype(np.int64)
    return bars if len(bars) >= 4 else np.arange(len(info.onset_x_px))


def plan(onset_frames: np.ndarray, bars: np.ndarray, rng: np.random.Generator) -> list[Stretch]:
    """What is played, one stretch after the other; nothing where the piece is too short.

    Parameters
    ----------
    onset_frames:
        int64 [shape=(n,)], increasing.
    bars:
        As `bars_of`.
    """
    last = int(onset_frames[-1])
    open_bars = bars[onset_frames[bars] <= last - REST_S * FPS]
    if len(open_bars) < 2:
        return []
    length = np.clip((last - onset_frames[0]) / FPS, SHORTEST_S, LONGEST_S) * FPS
    if rng.random() < FALSE_START_SHARE:
        stop = _first_at(onset_frames, onset_frames[0] + _draw(rng, FALSE_START_S))
        pause = _draw(rng, STOP_S)
        stretches = [Stretch(0, int(onset_frames[stop]), "begin")]
        stretches.append(Stretch(0, last + 1, "false start", pause))
    else:
        stretches = [Stretch(int(rng.choice(open_bars[1:])), last + 1, "begin")]
    kinds = _kinds(rng)
    while sum(s.end - onset_frames[s.onset] + s.pause for s in stretches[:-1]) < length:
        now = stretches[-1]
        leave = _first_at(onset_frames, onset_frames[now.onset] + _draw(rng, BETWEEN_S))
        following = _next(next(kinds), leave, onset_frames, bars, open_bars, rng)
        if following is None:  # not possible here: the piece is about to end
            kind = "back" if leave >= len(onset_frames) - 1 else "restart"
            following = _next(kind, leave, onset_frames, bars, open_bars, rng)
        if following is None:
            break
        left, coming = following
        stretches[-1] = replace(now, end=int(onset_frames[left]))
        stretches.append(coming)
    end = _first_at(onset_frames, onset_frames[stretches[-1].onset] + _draw(rng, BETWEEN_S))
    stretches[-1] = replace(stretches[-1], end=int(onset_frames[end]))
    return stretches


def cut(
    info: PerformanceInfo, record: PerformanceRecord, stretches: Sequence[Stretch]
) -> PracticeTake:
    """The take that these stretches make."""
    sound: list[np.ndarray] = []
    target: list[np.ndarray] = []
    events: list[PracticeEvent] = []
    quietest = np.quantile(record.spectrogram, 0.01, axis=1)
    n, last_px = 0, float("nan")
    for stretch in stretches:
        first = int(info.onset_frames[stretch.onset])
        if stretch.pause:
            sound.append(_fading(sound[-1][:, -1], quietest, stretch.pause))
            target.append(np.full(stretch.pause, np.nan))
            n += stretch.pause
        piece = _targets(info, first, stretch.end)
        if stretch.kind != "begin" or stretch.onset:
            events.append(PracticeEvent(stretch.kind, n, last_px, float(piece[0])))
        sound.append(record.spectrogram[:, first : stretch.end])
        target.append(piece)
        n, last_px = n + stretch.end - first, float(piece[-1])
    return PracticeTake(
        record.piece,
        record.performance,
        "practice",
        np.concatenate(sound, axis=1),
        np.concatenate(target),
        tuple(events),
    )


def with_alikes(take: PracticeTake, score: ScoreRecord, apart_px: float) -> PracticeTake:
    """The take, its events knowing whether their music is elsewhere in the score, too.

    Parameters
    ----------
    score:
        Its note heads say what is alike; without them nothing is.
    apart_px:
        How far from the place elsewhere begins.
    """
    if score.heads is None:
        return take
    heads, x = score.heads, score.onset_x_px
    chords: list[list[int]] = [[] for _ in x]
    for onset, pitch in zip(heads.onset, heads.pitch, strict=True):
        chords[onset].append(int(pitch))
    numbers: dict[tuple[int, ...], int] = {}
    chord = np.array([numbers.setdefault(tuple(sorted(c)), len(numbers)) for c in chords])
    ends = [event.frame for event in take.events[1:]] + [len(take.target_px)]
    events = []
    for event, end in zip(take.events, ends, strict=False):
        heard = take.target_px[event.frame : min(event.frame + round(ALIKE_S * FPS), end)]
        first = int(np.abs(x - event.to_px).argmin())
        n = int((x[first:] <= np.nanmax(heard)).sum())
        same = np.array([(chord[j : j + n] == chord[first : first + n]).mean() if j + n <= len(x)
                         else 0.0 for j in range(len(x))])  # fmt: skip
        elsewhere = np.abs(x - x[first]) > apart_px
        alike = n > 0 and bool((same[elsewhere] >= ALIKE_SHARE).any())
        events.append(replace(event, alike=alike))
    return replace(take, events=tuple(events))


def joined_parts(
    score: ScoreRecord, records: Sequence[PerformanceRecord], window: Window
) -> Iterator[PracticeTake]:
    """Performances that were cut where their players repeat, joined again.

    Parameters
    ----------
    records:
        Of one piece; parts are named ``<performance>-part<number>``.
    """
    parts = [(match, r) for r in records if (match := _PART.fullmatch(r.performance))]
    parts.sort(key=lambda part: (part[0][1], int(part[0][2])))
    for name, group in groupby(parts, key=lambda part: part[0][1]):
        infos = [(merge_onsets(score, record, window), record) for _, record in group]
        takes = [cut(i, r, [Stretch(0, int(i.onset_frames[-1]) + 1, "begin")]) for i, r in infos]
        if len(takes) < 2:
            continue
        starts = np.cumsum([0, *(len(t.target_px) for t in takes)])
        events = [
            PracticeEvent("as written", int(n), float(a.target_px[-1]), float(b.target_px[0]))
            for n, a, b in zip(starts[1:-1], takes[:-1], takes[1:], strict=True)
            if abs(float(b.target_px[0] - a.target_px[-1])) > window.threshold_px
        ]
        sound = np.concatenate([t.spectrogram for t in takes], axis=1)
        target = np.concatenate([t.target_px for t in takes])
        yield PracticeTake(score.piece, name, "practice", sound, target, tuple(events))


def with_wrong_notes(midi: Midi, rng: np.random.Generator) -> Midi:
    """The same music with wrong and missing notes; no onset moves."""
    notes = []
    for note, drawn, step in zip(
        midi.notes, rng.random(len(midi.notes)), rng.integers(4, size=len(midi.notes)), strict=True
    ):
        if drawn < MISSING:
            continue
        wrong = note.pitch + (-2, -1, 1, 2)[step]
        notes.append(replace(note, pitch=wrong) if drawn < MISSING + WRONG else note)
    return Midi(notes or midi.notes, midi.controls)


def _targets(info: PerformanceInfo, first: int, end: int) -> np.ndarray:
    x: np.ndarray = np.interp(np.arange(first, end), info.onset_frames, info.onset_x_px)
    return x


def _fading(last: np.ndarray, quietest: np.ndarray, frames: int) -> np.ndarray:
    """Sound that dies away from `last`, float32 [shape=(78, frames)]."""
    decay = np.exp(-np.arange(1, frames + 1) / (_DECAY_S * FPS))
    power = np.expm1(last.astype(np.float64) * np.log(10))[:, None] * decay
    return np.maximum(np.log1p(power) / np.log(10), quietest[:, None]).astype(np.float32)


def _draw(rng: np.random.Generator, seconds: tuple[float, float]) -> int:
    return round(rng.uniform(*seconds) * FPS)


def _first_at(onset_frames: np.ndarray, frame: int) -> int:
    return min(int(np.searchsorted(onset_frames, frame)), len(onset_frames) - 1)


def _kinds(rng: np.random.Generator) -> Iterator[str]:
    """Each as often as the others, in any order."""
    while True:
        yield from rng.permutation([*JUMPS, "pause"]).tolist()


def _next(
    kind: str,
    leave: int,
    onset_frames: np.ndarray,
    bars: np.ndarray,
    open_bars: np.ndarray,
    rng: np.random.Generator,
) -> tuple[int, Stretch] | None:
    """The onset before which the music is left, and what comes then; None where nothing can."""
    end = int(onset_frames[-1]) + 1
    after = bars[bars >= leave]
    if kind in ("back", "forward", "left out"):  # at the end of a bar
        if kind != "back" and not len(after):
            return None
        leave = int(after[0]) if len(after) else leave
    pause = 0
    if kind == "back":
        choice = open_bars[open_bars < bars[bars <= leave][-1]]
    elif kind == "forward":
        choice = open_bars[open_bars > leave]
    elif kind == "left out":
        choice = bars[bars > leave][:MOST_BARS]
        choice = choice[np.isin(choice, open_bars)]
    elif kind == "restart":
        choice, pause = bars[bars < leave][-MOST_BARS:], _draw(rng, STOP_S)
    elif kind == "elsewhere":
        choice, pause = open_bars, _draw(rng, PAUSE_S)
    else:
        choice, pause = np.array([leave]), _draw(rng, PAUSE_S)
        if onset_frames[leave] > onset_frames[-1] - REST_S * FPS:
            return None
    if not len(choice):
        return None
    return leave, Stretch(int(rng.choice(choice)), end, kind, pause)
