"""When the music begins, where it is, how sure that is, and when it is lost or over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np

from sfpipe.belief.relocation import Relocator
from sfpipe.belief.streaming import StreamingEncoder
from sfpipe.following.anywhere import AnywhereFollower, AnywhereGame
from sfpipe.following.belief import BeliefFollower, BeliefGame
from sfpipe.following.loaded import LoadedFollower
from sfpipe.game.follower import check_frame
from sfpipe.live.loudness import LoudnessMeter
from sfpipe.store.reader import ScoreRecord
from sfpipe.store.schema import FPS

State = Literal["waiting", "following", "unsure", "relocated", "lost", "finished"]

_MOST = 5  # guesses of when the music began that are followed at once
_MEMORY = 30  # frames over which it is averaged how well the sound matches
_RIGHT = 2.4  # about how well it matches while it is followed (`BeliefGame.match`)
_WRONG_BELOW, _LOST_BELOW, _SURE_ABOVE = 0.2, 0.5, 0.6  # confidence
_WRONG_S = 2.0  # so long below, until a guess is dropped
_LOST_S = 4.0  # so long below, until the music is lost
_CONVINCED_S = 1.5  # so long a guess that began in noise must be sure, until it is shown
_PROVEN_S = 6.0  # so long a guess must be sure, until no other one is taken
_BETTER = 0.1  # so much better a new guess must match than the one that is shown
_REST_S = 0.15  # before a note that may be the first one
_LONG_REST_S = 1.0  # before a note that is the first one, unless it was sure before
_YOUNG = FPS // 2  # frames: so young a guess neither takes another one's place nor loses its own
_HOLD_S = 3.0  # of rest, after which positions stay where they are
_END_S = 4.0  # of rest at the end of the score, until it is finished
_BEGINS_AT_START, _IS_THERE = 0.9, 0.999  # how sure it is that the music is where it is said to be
_END_PX = 1.0  # windows from the strip's right edge: the end


class Tracking(NamedTuple):
    """What is known after a frame.

    `x_px`: strip px, where the music will be `lead_frames` later. `tempo`: quarter notes a minute;
    `confidence`: 0 to 1; both None where a follower does not say.
    """

    x_px: float
    state: State
    tempo: float | None = None
    confidence: float | None = None


class Tracker(Protocol):
    """Follows one performance of one score."""

    lead_frames: float
    patient: bool  # whether what does not match the page may still do, at another pitch

    @property
    def age(self) -> int | None:
        """Frames of music so far; None: it has not begun, as far as is known."""
        ...

    def push(self, frame: np.ndarray) -> Tracking:
        """Take in one frame, float32 [shape=(78,)]."""
        ...

    def place(self, x_px: float) -> None:
        """The music is at this column of the strip, now."""
        ...

    def restart(self) -> None:
        """Forget the sound so far, and wait at the beginning."""
        ...

    def retune(self, frames: np.ndarray, start_px: float) -> None:
        """Hear otherwise what sounded since the music began at `start_px`.

        Parameters
        ----------
        frames:
            float32 [shape=(78, n)], up to the newest.
        """
        ...


def make_tracker(
    follower: LoadedFollower,
    score: ScoreRecord,
    clefs: Sequence[tuple[float, float]] = (),
    bar_px: np.ndarray | None = None,
    return_px: Sequence[float] = (),
) -> Tracker:
    """A tracker that has read a score and waits at its first note.

    Parameters
    ----------
    clefs:
        From where to where there are clefs within the strip, px: they take no time.
    bar_px, return_px:
        Where bars begin, strip px, for followers that may go on anywhere (None: as it shows), and
        to which of them the page tells to return.

    Raises
    ------
    SfpipeError
        If the follower cannot read the strip.
    """
    if isinstance(follower.frames, BeliefFollower):
        return BeliefTracker(follower.frames, score, clefs, bar_px, return_px)
    return PlainTracker(follower, score)


class _Ending:
    """Notices that the score is over: quiet for a while, near its end."""

    def __init__(self, strip_width_px: float, window_px: float):
        self._from_px = strip_width_px - _END_PX * window_px
        self._quiet = 0

    def push(self, x_px: float, *, sounds: bool) -> bool:
        self._quiet = 0 if sounds else self._quiet + 1
        return x_px >= self._from_px and self._quiet >= _END_S * FPS


class PlainTracker:
    """Any follower: it begins at the first sound and says nothing of how sure it is."""

    def __init__(self, follower: LoadedFollower, score: ScoreRecord):
        self.follower, self.score = follower, score
        self.lead_frames: float = follower.lead_frames
        self.patient = False
        self._began: int | None = None
        self.restart()

    def restart(self) -> None:
        """As `Tracker.restart`."""
        self._begin(float(self.score.onset_x_px[0]))
        self._state: State = "waiting"

    def place(self, x_px: float) -> None:
        """As `Tracker.place`."""
        self._begin(x_px)
        self._state = "following"
        self._began = 0

    @property
    def age(self) -> int | None:
        """As `Tracker.age`."""
        return None if self._began is None else self._frames - self._began

    def retune(self, frames: np.ndarray, start_px: float) -> None:
        """As `Tracker.retune`: it follows once more from where the music began."""
        self.follower.reset(self.score, start_px)
        for frame in frames.T:
            self._x_px = self.follower.step(np.ascontiguousarray(frame))

    def push(self, frame: np.ndarray) -> Tracking:
        """As `Tracker.push`."""
        loudness = self._meter.push(frame, playing=self._state == "following")
        if self._state == "waiting" and loudness.begins:
            self._state, self._began = "following", self._frames
        self._frames += 1
        if self._state == "following":
            self._x_px = self.follower.step(frame)
            if self._ending.push(self._x_px, sounds=loudness.sounds):
                self._state = "finished"
        else:
            self.follower.prime(frame)
        return Tracking(self._x_px, self._state)

    def _begin(self, x_px: float) -> None:
        self.follower.reset(self.score, x_px)
        self._x_px = x_px
        self._frames = 0
        self._began = None
        self._meter: LoudnessMeter = LoudnessMeter()
        self._ending: _Ending = _Ending(self.score.strip.shape[1], self.follower.window.width)


@dataclass
class _Guess:
    """A game that took the music to begin at one frame, and how well it has matched since.

    Its encoder knows nothing of what sounded before: talk would be taken for music.
    """

    game: BeliefGame
    encoder: StreamingEncoder
    born: int  # frame
    match: float = 0.5 * _RIGHT
    age: int = 0
    sounding: int = 0  # frames that sounded
    sure: int = 0  # frames
    doubtful: int = 0
    wrong: int = 0

    def step(self, frame: np.ndarray, *, sounds: bool, moves: bool) -> None:
        vector = self.encoder.add(frame)
        if not moves:
            return
        self.game.step(vector)
        self.age += 1
        if sounds:
            self.sounding += 1
            self.match += (self.game.match - self.match) / min(self.sounding + 5, _MEMORY)
            self.sure = self.sure + 1 if self.confidence > _SURE_ABOVE else 0
            doubt = 1 if self.confidence < _LOST_BELOW else -2
            self.doubtful = min(max(self.doubtful + doubt, 0), round((_LOST_S + 1) * FPS))
            self.wrong = self.wrong + 1 if self.confidence < _WRONG_BELOW else 0

    def begin_again(self) -> None:
        """The game is elsewhere now, and must prove itself there.

        How well it has matched stays: what matches nowhere is lost, wherever it goes.
        """
        self.age = self.sure = self.wrong = 0

    def beats(self, other: _Guess) -> bool:
        """Whether it has matched clearly better."""
        return self.match > other.match + _BETTER * _RIGHT

    @property
    def confidence(self) -> float:
        return min(max(self.match / _RIGHT, 0.0), 1.0)


class BeliefTracker:
    """The agent with a memory: it follows several guesses of when the music began.

    Every sound that begins after a rest may be the first note: talk, a chair, a tuning note. Each
    is followed from there; the one that matches best is shown. When one has matched for long
    enough, the others are dropped. A guess that matches nothing is dropped, too, and while there
    is none it waits at the first note.

    An `AnywhereFollower` also listens for all other places of the score: where the music goes on,
    the guess that is shown goes, too.
    """

    # What is shown is the belief, which the game's agent follows with whole px a frame. Sound is
    # about so old when its frame is complete, has come through a browser, and is on the screen.
    lead_frames = 1.75

    def __init__(
        self,
        follower: BeliefFollower,
        score: ScoreRecord,
        clefs: Sequence[tuple[float, float]] = (),
        bar_px: np.ndarray | None = None,
        return_px: Sequence[float] = (),
    ):
        self.follower, self.score = follower, score
        self.window = follower.window
        self._relocator: Relocator | None = None
        if isinstance(follower, AnywhereFollower):
            follower.reset(score, timeless=clefs, bar_px=bar_px, return_px=return_px)
            self._relocator = follower.new_relocator()
        else:
            follower.reset(score, timeless=clefs)
        # One for each guess, and one that hears what nobody follows.
        self._encoders = [follower.new_encoder() for _ in range(_MOST + 2)]
        self._start_px = float(score.onset_x_px[0])
        self.patient = False
        self.restart()

    def restart(self) -> None:
        """As `Tracker.restart`."""
        self._meter = LoudnessMeter()
        self._guesses: list[_Guess] = []
        self._idle = self._encoders[0]
        self._idle.reset()
        self._shown: _Guess | None = None
        self._proven = False
        self._convinced = False  # whether a guess that began in noise was sure for a while
        self._noise = False  # whether the stream began with noise, which looks like a beginning
        self._frames = self._quiet = 0
        self._ending = _Ending(self.score.strip.shape[1], self.window.width)
        self._watch_from(self._start_px, _BEGINS_AT_START)

    def place(self, x_px: float) -> None:
        """As `Tracker.place`."""
        self._watch_from(x_px, _IS_THERE)
        encoder = self._shown.encoder if self._shown else self._idle
        self._shown = _Guess(self.follower.new_game(x_px), encoder, self._frames)
        self._guesses, self._proven, self._noise = [self._shown], True, False

    @property
    def age(self) -> int | None:
        """As `Tracker.age`."""
        return None if self._shown is None else self._frames - self._shown.born

    def retune(self, frames: np.ndarray, start_px: float) -> None:
        """As `Tracker.retune`: the other guesses of when the music began are dropped."""
        game = self.follower.new_game(start_px)
        game.step(None)
        born = self._frames - frames.shape[1]
        self._guesses = []
        self._shown = _Guess(game, self._free_encoder(), born)
        self._guesses = [self._shown]
        for frame in frames.T:
            self._shown.step(np.ascontiguousarray(frame), sounds=True, moves=True)

    def push(self, frame: np.ndarray) -> Tracking:
        """As `Tracker.push`."""
        check_frame(frame, ready=True)
        loudness = self._meter.push(
            frame, playing=self._shown is not None, waiting=not self._proven
        )
        self._quiet = 0 if loudness.sounds else self._quiet + 1
        if not self._proven and loudness.begins:
            if self._noise and loudness.rest_s >= _LONG_REST_S:
                self._guesses, self._shown = [], None
                self._noise = self._convinced = False
            rest_s = _LONG_REST_S if self.patient else _REST_S
            if loudness.rest_s >= rest_s or not self._guesses:
                self._guess(loudness.rest_s)
        self._frames += 1
        if self._frames == FPS // 2:
            self._noise = self._meter.noisy
        moves = self._quiet < _HOLD_S * FPS
        if self._relocator is not None:
            moves = not self._relocator.rest(sounds=loudness.sounds)
        for guess in self._guesses:
            guess.step(frame, sounds=loudness.sounds, moves=moves)
        if moves:
            self._relocate()
        if not self._guesses:
            self._idle.add(frame)
        if not self._proven:
            self._choose()
        if self._shown is not None and self._shown.sure >= _CONVINCED_S * FPS:
            self._convinced = True
        return self._tracking(sounds=loudness.sounds)

    def _watch_from(self, x_px: float, sure: float) -> None:
        if self._relocator is not None:
            self._relocator.reset(x_px + self.follower.new_game(x_px).offset, sure)

    def _relocate(self) -> None:
        """Go on elsewhere with the guess that is shown, if the music does."""
        guess = self._shown
        if self._relocator is None or guess is None or not guess.game.n_frames:
            return
        if self.patient or (self._noise and not self._convinced):
            return
        if AnywhereGame(guess.game, self._relocator).relocate():
            guess.begin_again()
            self._guesses = [guess]

    def _guess(self, rest_s: float) -> None:
        """The music begins with this frame; that is shown unless what is shown is likelier."""
        game = self.follower.new_game(self._start_px)
        game.step(None)
        self._guesses.append(_Guess(game, self._free_encoder(), self._frames))
        sure = self._shown is not None and self._shown.sure >= _CONVINCED_S * FPS
        if not sure or rest_s >= _LONG_REST_S:
            self._shown = self._guesses[-1]
        if len(self._guesses) > _MOST:
            others = [g for g in self._guesses[:-1] if g is not self._shown]
            self._guesses.remove(min(others, key=lambda g: g.match))

    def _free_encoder(self) -> StreamingEncoder:
        """An encoder that no guess has, in silence."""
        taken = [guess.encoder for guess in self._guesses]
        encoder = next(one for one in self._encoders if one not in taken and one is not self._idle)
        encoder.reset()
        return encoder

    def _choose(self) -> None:
        if self._shown is None or not self.patient:
            self._drop_and_replace()
        if self._shown and not self._noise and self._shown.sure >= _PROVEN_S * FPS:
            self._guesses, self._proven = [self._shown], True

    def _drop_and_replace(self) -> None:
        self._guesses = [g for g in self._guesses if g.wrong < _WRONG_S * FPS]
        if self._shown not in self._guesses:
            self._shown = None
        for guess in self._guesses:
            if self._shown is None or self._replaces(guess, self._shown):
                self._shown = guess

    @staticmethod
    def _replaces(guess: _Guess, shown: _Guess) -> bool:
        old_enough = min(guess.age, shown.age) >= _YOUNG
        return old_enough and guess.confidence >= _WRONG_BELOW and guess.beats(shown)

    def _tracking(self, *, sounds: bool) -> Tracking:
        guess = self._shown
        # What begins with noise is taken for music only once it has matched for a while; whether
        # it is noise is known after half a second.
        noise = self._noise or (self._frames < FPS // 2 and not self._proven)
        if guess is None or (noise and not self._convinced):
            return Tracking(self._start_px, "waiting", None, 0.0)
        x_px = guess.game.expected(self.lead_frames)
        state: State = "following"
        if self._ending.push(x_px, sounds=sounds):
            state = "finished"
        elif guess.doubtful >= _LOST_S * FPS:
            state = "lost"
        elif self._relocator is not None:
            state = self._relocator.certainty
        tempo = guess.game.tempo * FPS * 60
        return Tracking(x_px, state, tempo, guess.confidence)
