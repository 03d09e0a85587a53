"""Finding how much higher music sounds than its page says, while it is being followed.

The tuning comes from spectral peaks, modulo a semitone. Whole semitones are hypotheses: each is
followed from where the music began, by the agent with a memory, and those that match the page
worse than the best are dropped. While it is undecided, following goes on with the best.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sfpipe.audio.pitch import OCTAVE, PitchOffset, ToldPitch
from sfpipe.audio.spectrogram import filtered
from sfpipe.audio.tuning import TuningMeter
from sfpipe.following.belief import BeliefFollower, encode_performance

PitchState = Literal["told", "finding", "found"]

_CHECKS = (40, 80, 140, 200, 300, 400)  # frames since the music began: hypotheses are compared
_KEEP = (0.6, 0.4, 0.3, 0.3, 0.2, 0.0)  # in match, so much worse than the best and not yet dropped
_SWITCH = (0.35, 0.15, 0.05, 0.0, 0.0, 0.0)  # so much better must a new one be than the present one
# What an offset costs, in match: the farther from the one that is expected, the more must speak
# for it. By steps, since a neighbour matches nearly as well as the right one.
_PER_SEMITONE, _PER_OCTAVE = 0.06, 0.3
_AT_ONCE = 80  # frames that hypotheses are followed per frame of the music: about 10 ms
_LEAST = (1.5, 1.8, 1.9, 2.0, 2.0, 2.0)  # match of music with its page, at the right offset
_PATIENCE = 3  # checks that may fail, while nothing else is taken for the beginning
_RIGHT = 2.4  # match of music that is followed for sure
_KNOWN, _MUSIC = 20, 0.3  # frames after which the peaks of music agree so far; of talk below 0.1
_AGREEMENT = 0.35  # of the peaks, to have a tuning
_FINE = 3.0  # cents, from which on the tuning is corrected
_SPARSE = 4  # once the tuning is known, every so many frames it is measured
_RETUNE = 100  # frames between corrections afterwards
_SURE = (0.6, "sure"), (0.3, "fairly sure"), (0.0, "not sure")  # from such a confidence


def describe_pitch(offset: PitchOffset, state: PitchState, confidence: float) -> str:
    """What is known of the pitch, in words: "A4 = 415 Hz, sounds 2 semitones lower (sure)"."""
    if state == "told":
        return f"{offset} (told)"
    if state == "finding":
        return f"finding the pitch: {offset}?" if confidence else "finding the pitch"
    sure = next(words for least, words in _SURE if confidence >= least)
    return f"{offset} ({sure})"


@dataclass
class _Hypothesis:
    semitones: int
    match: float = 0.0


class _Run:
    """How well a beginning matches the page at one offset, a few frames at a time."""

    def __init__(self, listener: BeliefFollower, frames: np.ndarray, start_px: float):
        self._vectors = encode_performance(listener.network, frames)
        self._game = listener.new_game(start_px)
        self._game.step(None)
        self._matches: list[float] = []

    def advance(self, frames: int) -> int:
        """Follow at most so many frames; returns how many there were."""
        at = len(self._matches)
        for vector in self._vectors[at : at + frames]:
            self._game.step(vector)
            self._matches.append(self._game.match)
        return len(self._matches) - at

    @property
    def match(self) -> float | None:
        """As `BeliefGame.match`, on average; None: it is not over."""
        over = len(self._matches) == len(self._vectors)
        return float(np.mean(self._matches)) if over else None


class PitchSearch:
    """Finds the offset between page and sound: the tuning, and the semitones where that is told.

    Parameters
    ----------
    listener:
        An agent with a memory that has read the score, whatever agent follows; None where no
        semitones are looked for (`ToldPitch.range`).
    told:
        By the user: what is told is not looked for.
    read:
        Semitones, from the notation; None: the score is a picture.

    Attributes
    ----------
    offset:
        The best so far.
    state:
        ``told``, ``finding`` or ``found``.
    confidence:
        From 0 to 1.
    looking:
        Whether hypotheses are compared.
    """

    def __init__(self, listener: BeliefFollower | None, told: ToldPitch, read: int | None):
        self.listener, self.told = listener, told
        self._expected = told.over(read or 0)
        low, high = told.range(read)
        middle = self._expected.semitones
        self._candidates = range(middle + low, middle + high + 1)
        self.reset(0.0)

    def reset(self, start_px: float) -> None:
        """Forget everything: a performance is to begin at `start_px` of the strip."""
        self.offset, self._meter = self._expected, TuningMeter()
        self._measured = 0  # frames of music, whenever it was taken to begin
        known = len(self._candidates) == 1
        told = known and self.told.a4_hz is not None
        self.state: PitchState = "told" if told else "finding"
        self.confidence = 1.0 if known else 0.0
        self.restart(start_px)

    def restart(self, start_px: float) -> None:
        """The performance goes on at `start_px`, or is to; what is found stays found."""
        self.start_px = start_px
        self.looking = self.state == "finding" and len(self._candidates) > 1
        self._recent: deque[np.ndarray] = deque(maxlen=_CHECKS[-1])  # magnitudes
        self._received = 0
        self._newest: int | None = None  # frame with which the music began, as the tracker says
        self._begin_at(None)

    @property
    def patient(self) -> bool:
        """Whether another offset speaks for itself: what matches badly may be this music."""
        return self.looking and self._leads

    def spectrogram(self) -> np.ndarray:
        """All frames since the music began, at the present offset: float32 [shape=(78, n)]."""
        return filtered(np.stack(self._frames), self.offset)

    def push(self, magnitude: np.ndarray, age: int | None, sure: float = 0.0) -> bool:
        """Take in a frame.

        Parameters
        ----------
        magnitude:
            float32 [shape=(1024,)], as `sfpipe.audio.spectrogram.magnitudes`.
        age:
            How many frames of music there have been, this one included, as far as is known; None:
            it has not begun.
        sure:
            From 0 to 1: how well the music goes with where it is followed now, which may be
            another place than the beginning. What matches worse does not change the pitch.

        Returns
        -------
        bool
            Whether another number of semitones is the best now: what was heard is to be heard
            again. (A tuning is only corrected for what comes.)
        """
        if self.state == "told":
            return False
        self._received += 1
        self._matched = sure * _RIGHT
        self._newest = None if age is None else self._received - age
        if self.looking:
            self._recent.append(magnitude)
        if self._start is None:
            if self._newest in (None, self._failed):
                return False
            self._begin_at(self._newest)
        else:
            self._measure(magnitude)
        if not self.looking:
            return False
        return self._look()

    def _begin_at(self, start: int | None) -> None:
        """Take a frame for the first of the music; None: it is to come."""
        self._start: int | None = start
        self._failed: int | None = None  # a beginning that was none
        self._frames: list[np.ndarray] = []  # magnitudes since then, while it is looked for
        self._hypotheses = [_Hypothesis(n) for n in self._candidates]
        self._pending: list[_Hypothesis] = []
        self._run: _Run | None = None  # of the first one pending
        self._check = 0
        self._leads = False
        if self.looking:  # what sounded before may have been talk
            self._meter, self._measured = TuningMeter(), 0
        if start is not None:
            since = min(self._received - start, len(self._recent))
            for magnitude in list(self._recent)[len(self._recent) - since :]:
                self._measure(magnitude)

    def _measure(self, magnitude: np.ndarray) -> None:
        """Take in a frame of music; the tuning of what is known otherwise is followed."""
        self._measured += 1
        if self.looking:
            self._meter.push(magnitude)
            self._frames.append(magnitude)
            return
        if self.told.a4_hz is None and (self.state == "finding" or self._measured % _SPARSE == 0):
            self._meter.push(magnitude)
        if self._measured == _CHECKS[0] or self._measured % _RETUNE == 0:
            self._correct()
            self.state = "found"

    def _look(self) -> bool:
        """One frame's share of the search."""
        unsettled = self._check < _PATIENCE and len(self._frames) >= _KNOWN
        if unsettled and self._meter.agreement < _MUSIC:
            return self._doubt(self._hypotheses)
        if not self._pending and len(self._frames) >= _CHECKS[self._check]:
            self._correct()
            self._pending = list(self._hypotheses)
            for hypothesis in self._hypotheses:
                hypothesis.match = -np.inf
        left = _AT_ONCE
        while self._pending and left > 0:
            if self._run is None:
                self._run = self._follow(self._pending[0].semitones, _CHECKS[self._check])
            left -= self._run.advance(left)
            if self._run.match is not None:
                self._pending.pop(0).match, self._run = self._run.match, None
                if not self._pending:
                    return self._decide()
        return False

    def _decide(self) -> bool:
        """Drop what matches badly; whether another offset is the best now."""

        def merit(one: _Hypothesis) -> float:
            away = abs(one.semitones - self._expected.semitones)
            return one.match - (_PER_OCTAVE if away == OCTAVE else _PER_SEMITONE * away)

        ranked = sorted(self._hypotheses, key=merit, reverse=True)
        best = ranked[0]
        margin = merit(best) - merit(ranked[1]) if len(ranked) > 1 else _KEEP[0]
        check, self._check = self._check, self._check + 1
        self._hypotheses = [h for h in ranked if merit(h) >= merit(best) - _KEEP[check]]
        if best.match < _LEAST[check]:
            return self._doubt(ranked)
        if self._check == len(_CHECKS) or len(self._hypotheses) == 1:
            self.state, self.looking = "found", False
        self.confidence = min(max(margin / _KEEP[1], 0.0), 1.0)
        if best.semitones != self.offset.semitones and best.match < self._matched:
            return False
        self._leads = best.semitones != self._expected.semitones
        present = [merit(h) for h in ranked if h.semitones == self.offset.semitones]
        better = merit(best) - present[0] if present else np.inf
        if best.semitones == self.offset.semitones or (self.looking and better < _SWITCH[check]):
            return False
        self.offset = PitchOffset(best.semitones, self.offset.cents)
        return True

    def _doubt(self, hypotheses: list[_Hypothesis]) -> bool:
        """What sounded goes with the page at no offset: talk, or not yet enough music."""
        self.offset, self.confidence = self._expected, 0.0
        if self._newest not in (None, self._start):
            self._begin_at(self._newest)
        elif self._check < _PATIENCE and len(self._frames) < _CHECKS[_PATIENCE]:
            self._hypotheses = hypotheses
        else:
            began = self._start
            self._begin_at(None)
            self._failed = began
        return False

    def _correct(self) -> None:
        """Take the tuning from the peaks."""
        if self.told.a4_hz is not None or self._meter.agreement < _AGREEMENT:
            return
        change = (self._meter.cents - self.offset.cents + 50) % 100 - 50
        if abs(change) >= _FINE:
            self.offset = PitchOffset(self.offset.semitones, self.offset.cents + change)

    def _follow(self, semitones: int, n: int) -> _Run:
        """Follow the first `n` frames at an offset."""
        assert self.listener is not None
        offset = PitchOffset(semitones, self.offset.cents)
        return _Run(self.listener, filtered(np.stack(self._frames[:n]), offset), self.start_px)
