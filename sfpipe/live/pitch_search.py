"""Finding how much higher music sounds than its page says, while it is being followed.

The tuning comes from spectral peaks, modulo a semitone. Whole semitones are hypotheses: each is
followed from where the music began, by the agent with a memory, and those that match the page
worse than the best are dropped. While it is undecided, following goes on with the best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sfpipe.audio.pitch import PitchOffset, ToldPitch
from sfpipe.audio.spectrogram import filtered
from sfpipe.audio.tuning import TuningMeter
from sfpipe.following.belief import BeliefFollower, encode_performance

PitchState = Literal["told", "finding", "found"]

_CHECKS = (40, 80, 140, 200, 300, 400)  # frames since the music began: hypotheses are compared
_KEEP = (0.6, 0.4, 0.3, 0.3, 0.2, 0.0)  # in match, so much worse than the best and not yet dropped
_SWITCH = (0.25, 0.1, 0.05, 0.0, 0.0, 0.0)  # so much better must a new one be than the present one
_USUAL = 0.05  # in match, so much better must another offset be than the one that is expected
_AT_ONCE = 2  # hypotheses followed per frame
_LEAST = (1.5, 1.8, 1.9, 2.0, 2.0, 2.0)  # match of music with its page, at the right offset
_AGREEMENT = 0.35  # of the peaks, to have a tuning
_FINE = 3.0  # cents, from which on the tuning is corrected
_RETUNE = 100  # frames between corrections afterwards
_OCTAVE = 12
_TUNINGS = (-2, 1)  # semitones between which instruments are tuned: 392 to 466 Hz


@dataclass
class _Hypothesis:
    semitones: int
    match: float = 0.0


class PitchSearch:
    """Finds the offset between page and sound: the tuning, and the semitones where that is told.

    Parameters
    ----------
    listener:
        An agent with a memory that has read the score, whatever agent follows; None where no
        semitones are looked for.
    told:
        By the user: what is told is not looked for.
    read:
        Semitones, from the notation; None: the score is a picture, and anything within an octave
        may be.

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
        low = high = 0
        if told.find:
            tunings = _TUNINGS if told.a4_hz is None else (0, 0)
            low, high = (-_OCTAVE, _OCTAVE) if read is None else tunings
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
        self._began: int | None = None
        self._frames: list[np.ndarray] = []  # magnitudes since then, while it is looked for
        self.looking = self.state == "finding" and len(self._candidates) > 1
        self._hypotheses = [_Hypothesis(n) for n in self._candidates]
        self._pending: list[_Hypothesis] = []
        self._check = 0

    def spectrogram(self) -> np.ndarray:
        """All frames since the music began, at the present offset: float32 [shape=(78, n)]."""
        return filtered(np.stack(self._frames), self.offset)

    def push(self, magnitude: np.ndarray, began: int | None) -> bool:
        """Take in a frame.

        Parameters
        ----------
        magnitude:
            float32 [shape=(1024,)], as `sfpipe.audio.spectrogram.magnitudes`.
        began:
            Number of the frame with which the music began; None: it has not.

        Returns
        -------
        bool
            Whether another number of semitones is the best now: what was heard is to be heard
            again. (A tuning is only corrected for what comes.)
        """
        if self.state == "told":
            return False
        if began != self._began:
            self.restart(self.start_px)
            self._began = began
        if began is None:
            return False
        if self.told.a4_hz is None:
            self._meter.push(magnitude)
        self._measured += 1
        if self.state == "found" or len(self._candidates) == 1:
            if self._measured == _CHECKS[0] or self._measured % _RETUNE == 0:
                self._correct()
                self.state = "found"
            return False
        if not self.looking:
            return False
        self._frames.append(magnitude)
        return self._look()

    def _look(self) -> bool:
        """One frame's share of the search."""
        if not self._pending and len(self._frames) >= _CHECKS[self._check]:
            self._correct()
            self._pending = list(self._hypotheses)
            for hypothesis in self._hypotheses:
                hypothesis.match = -np.inf
        for hypothesis in self._pending[:_AT_ONCE]:
            hypothesis.match = self._follow(hypothesis.semitones, _CHECKS[self._check])
        ended = 0 < len(self._pending) <= _AT_ONCE
        del self._pending[:_AT_ONCE]
        return ended and self._decide()

    def _decide(self) -> bool:
        """Drop what matches badly; whether another offset is the best now."""

        def merit(one: _Hypothesis) -> float:
            return one.match + (_USUAL if one.semitones == self._expected.semitones else 0.0)

        ranked = sorted(self._hypotheses, key=merit, reverse=True)
        best = ranked[0]
        margin = merit(best) - merit(ranked[1]) if len(ranked) > 1 else _KEEP[0]
        check, self._check = self._check, self._check + 1
        self._hypotheses = [h for h in ranked if merit(h) >= merit(best) - _KEEP[check]]
        if best.match < _LEAST[check]:
            self.looking = False  # no music of this page, until the music begins anew
            return False
        if self._check == len(_CHECKS) or len(self._hypotheses) == 1:
            self.state, self.looking = "found", False
        self.confidence = min(max(margin / _KEEP[1], 0.0), 1.0)
        present = [merit(h) for h in ranked if h.semitones == self.offset.semitones]
        better = merit(best) - present[0] if present else np.inf
        if best.semitones == self.offset.semitones or (self.looking and better < _SWITCH[check]):
            return False
        self.offset = PitchOffset(best.semitones, self.offset.cents)
        return True

    def _correct(self) -> None:
        """Take the tuning from the peaks."""
        if self.told.a4_hz is not None or self._meter.agreement < _AGREEMENT:
            return
        change = (self._meter.cents - self.offset.cents + 50) % 100 - 50
        if abs(change) >= _FINE:
            self.offset = PitchOffset(self.offset.semitones, self.offset.cents + change)

    def _follow(self, semitones: int, n: int) -> float:
        """How well the first `n` frames match the page at an offset, as `BeliefGame.match`."""
        assert self.listener is not None
        offset = PitchOffset(semitones, self.offset.cents)
        frames = filtered(np.stack(self._frames[:n]), offset)
        vectors = encode_performance(self.listener.network, frames)
        game = self.listener.new_game(self.start_px)
        game.step(None)
        matches = []
        for vector in vectors:
            game.step(vector)
            matches.append(game.match)
        return float(np.mean(matches))
