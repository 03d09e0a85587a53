"""When to go on elsewhere in the score."""

from __future__ import annotations

from collections import deque
from typing import Literal

import numpy as np

from sfpipe.belief.whole_score import Candidate, WholeScoreBelief
from sfpipe.params import BeliefFilterParams, RelocationParams
from sfpipe.store.schema import FPS

Certainty = Literal["following", "unsure", "lost", "relocated"]

USUAL_SHARPNESS = 21.3  # of the network that the parameters were chosen with
_REST_S = 0.75  # of silence, after which nothing moves until there is sound again
_SILENT = 0.02  # of the loudest frame of the last seconds: nothing is played
_LOUDEST_S = 10.0  # in which what was loudest is forgotten
_TOLD_S = 2.0  # so long after it a relocation is told
_MEMORY = 30  # frames over which it is averaged how well the sound matches
_RIGHT = 2.4  # about how well it matches while it is followed (`BeliefGame.match`)
_AT_FIRST, _UNSURE_BELOW, _LOST_BELOW = 0.7, 0.6, 0.4  # shares of that
_LOST_S = 4.0  # so long below, until the music is lost
_RESTLESS, _RESTLESS_S = 3, 8.0  # so many relocations in so many seconds: it is lost
_UNSURE_LEAD = 0.6  # of the lead at which it goes there
_AROUND = 3  # places to either side of one that count as it


class SilenceMeter:
    """Tells whether a frame sounds, beside the last seconds."""

    def __init__(self) -> None:
        self._loudest = 0.0

    def push(self, frame: np.ndarray) -> bool:
        """Whether this frame, float32 [shape=(78,)], is more than what is left of the last ones."""
        loud = float(frame.sum())
        self._loudest = max(self._loudest * (1 - 1 / (_LOUDEST_S * FPS)), loud)
        return loud > _SILENT * self._loudest


class Relocator:
    """Watches the whole score, and says when the music goes on elsewhere.

    The likeliest place elsewhere and the one that is followed are rivals. Frame by frame it adds up
    by how much more the sound goes with the one elsewhere than with the other, less a `slack` that
    places which look alike do not reach. When that sum is `lead`, the music has moved.

    Attributes
    ----------
    lead:
        That sum.
    resting:
        Nothing has sounded for a while: whoever follows waits where he is.

    Parameters
    ----------
    sharpness:
        Factor of the network's cosines: `slack` and `lead` are in logits of the usual one.
    """

    def __init__(
        self,
        log_quarters_per_px: np.ndarray,
        place_px: float,
        bar_px: np.ndarray,
        return_px: np.ndarray,
        apart_px: float,
        filter: BeliefFilterParams,
        params: RelocationParams,
        sharpness: float = USUAL_SHARPNESS,
    ):
        self.params, self.apart_px = params, apart_px
        self._per_logit = USUAL_SHARPNESS / sharpness
        self.belief = WholeScoreBelief(
            log_quarters_per_px, place_px, bar_px, return_px, apart_px, filter, params
        )
        self.reset()

    def reset(self, here_px: float | None = None, sure: float = 0.9) -> None:
        """Begin anew, `sure` to be at `here_px` (px from the first place), or anywhere."""
        self.belief.reset(here_px, sure)
        self.resting = False
        self._quiet, self._since, self.lead = 0, FPS * 60, 0.0
        self._last: Candidate | None = None
        self._jump_prob: float | None = None
        self._frames, self._moves = 0, deque[int](maxlen=_RESTLESS)
        self._match, self._doubtful = _AT_FIRST * _RIGHT, 0

    def rest(self, *, sounds: bool) -> bool:
        """Take in whether a frame sounds; returns whether the music rests."""
        began_again = sounds and self.resting
        self._quiet = 0 if sounds else self._quiet + 1
        self.resting = self._quiet > _REST_S * FPS
        self._jump_prob = self.params.jump_prob_after_rest if began_again else None
        return self.resting

    def push(self, logits: np.ndarray, here_px: float, match: float) -> Candidate | None:
        """Take in a frame that sounds; returns where to go on, if not here.

        Parameters
        ----------
        logits, here_px:
            As of `WholeScoreBelief.update`.
        match:
            How well the frame goes with the place that is followed (`BeliefGame.match`).
        """
        self._since += 1
        self._frames += 1
        if self._quiet:  # what dies away says little, and what sounded before says it better
            return None
        self._match += (match - self._match) / _MEMORY
        doubt = 1 if self._match < _LOST_BELOW * _RIGHT else -2
        self._doubtful = min(max(self._doubtful + doubt, 0), round((_LOST_S + 1) * FPS))
        self.belief.update(logits, here_px, jump_prob=self._jump_prob)
        self._jump_prob = None
        rival, p = self.belief.candidate(here_px), self.params
        same = self._last is not None and abs(rival.x_px - self._last.x_px) < self.apart_px
        better = self._fit(logits, rival.x_px) - self._fit(logits, here_px)
        better *= self._per_logit
        self.lead = self.lead if same else self.lead / 2
        self.lead = max(self.lead + self.belief.information * (better - p.slack), 0.0)
        self._last = rival
        if self.lead <= p.lead or rival.log_odds <= p.log_odds or rival.share <= p.share:
            return None
        self.lead, self._since = 0.0, 0
        self._moves.append(self._frames)
        return rival

    def _fit(self, logits: np.ndarray, x_px: float) -> float:
        """How well a frame goes with the places around one."""
        at = int(x_px / self.belief.place_px)
        return float(logits[max(at - _AROUND, 0) : at + _AROUND + 1].max(initial=-1e3))

    @property
    def confidence(self) -> float:
        """From 0 to 1: how well the sound matches, on average over the last seconds."""
        return min(max(self._match / _RIGHT, 0.0), 1.0)

    @property
    def certainty(self) -> Certainty:
        """What is to be told of the place that is followed."""
        restless = [n for n in self._moves if n > self._frames - _RESTLESS_S * FPS]
        if self._doubtful >= _LOST_S * FPS or len(restless) >= _RESTLESS:
            return "lost"
        if self._since < _TOLD_S * FPS:
            return "relocated"
        rival = self.lead > _UNSURE_LEAD * self.params.lead
        return "unsure" if rival or self.confidence < _UNSURE_BELOW else "following"
