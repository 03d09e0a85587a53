"""The agent with a memory, free to go on anywhere in the score when the music does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sfpipe.belief.network import PlaceNetwork
from sfpipe.belief.relocation import Certainty, Relocator, SilenceMeter
from sfpipe.errors import SfpipeError
from sfpipe.following.belief import (
    BeliefFollower,
    BeliefGame,
    StripEncoding,
    encode_performance,
    encode_strip,
    new_game,
)
from sfpipe.params import BeliefFilterParams, RelocationParams
from sfpipe.store.reader import ScoreRecord


def bars_on(strip: np.ndarray) -> np.ndarray:
    """Where bars begin, float64, strip px, increasing; none where the strip shows no staves."""
    from sfpipe.engraving.bar_lines import find_bar_lines
    from sfpipe.omr.staves import SPACES, find_staves

    try:
        stretches = find_staves(strip)
    except SfpipeError:
        return np.zeros(0)
    bars: list[float] = []
    for staves in stretches:  # a new one begins with a line break, where a bar begins, too
        rows = staves.tops[0], staves.tops[-1] + SPACES * staves.space
        columns = float(staves.left), float(staves.right)
        bars += [columns[0], *find_bar_lines(strip, columns, rows, staves.space)]
    return np.array(bars)


def new_relocator(
    game: BeliefGame,
    encoding: StripEncoding,
    bar_px: np.ndarray,
    params: RelocationParams,
    return_px: Sequence[float] = (),
) -> Relocator:
    """Who watches the whole score of a game that is where the score begins.

    Parameters
    ----------
    encoding:
        Of the game's score.
    bar_px:
        Where bars begin, strip px.
    return_px:
        To which of them, beside the first, the page tells to return.
    """
    place_px, offset = game.belief.place_px, encoding.offset_px
    relocator = Relocator(
        encoding.motion(place_px),
        place_px,
        bar_px + offset,
        np.array([game.position, *return_px]) + offset,
        float(game.window.threshold_px),
        game.belief.params,
        params,
        game.sharpness,
    )
    relocator.reset(game.position + offset)
    return relocator


class AnywhereGame:
    """A `BeliefGame` that rests with the music and goes where the whole score says.

    Attributes
    ----------
    relocations:
        How often it went on elsewhere.
    """

    def __init__(self, game: BeliefGame, relocator: Relocator):
        self.game, self.relocator = game, relocator
        self.relocations = 0

    def step(self, vector: np.ndarray | None, *, sounds: bool) -> float:
        """As `BeliefGame.step`, of a frame that `sounds` or does not."""
        if vector is None:
            return self.game.step(None)
        if self.relocator.rest(sounds=sounds):
            return self.game.position
        position = self.game.step(vector)
        return position if not self.relocate() else self.game.position

    def relocate(self) -> bool:
        """Go on elsewhere, if the frame that the game took in says so; returns whether it did."""
        game = self.game
        here = game.expected(0.0) + game.offset
        there = self.relocator.push(game.logits, here, game.match)
        if there is None:
            return False
        game.go_to(there.x_px - game.offset, there.tempo)
        self.relocations += 1
        return True


class AnywhereFollower(BeliefFollower):
    """A `BeliefFollower` whose games go on anywhere in the score."""

    def __init__(
        self, network: PlaceNetwork, params: BeliefFilterParams, relocation: RelocationParams
    ):
        super().__init__(network, params)
        self.relocation = relocation
        self._anywhere: AnywhereGame | None = None
        self._meter = SilenceMeter()
        self._first_px = 0.0

    def reset(
        self,
        score: ScoreRecord,
        start_px: float | None = None,
        *,
        timeless: Sequence[tuple[float, float]] = (),
        bar_px: np.ndarray | None = None,
        return_px: Sequence[float] = (),
    ) -> None:
        """Read a score and wait in it: as `BeliefFollower.reset`.

        Parameters
        ----------
        bar_px, return_px:
            As of `new_relocator`; bars None: as the strip shows.
        """
        super().reset(score, start_px, timeless=timeless)
        assert self._game is not None
        self.bar_px = bars_on(score.strip) if bar_px is None else bar_px
        self.return_px, self._first_px = tuple(return_px), float(score.onset_x_px[0])
        self._anywhere = AnywhereGame(self._game, self.new_relocator())
        self._meter = SilenceMeter()

    def prime(self, frame: np.ndarray) -> None:
        """Take in a frame without moving: as `BeliefFollower.prime`."""
        super().prime(frame)
        self._meter.push(frame)

    def step(self, frame: np.ndarray) -> float:
        """Hear one frame and move: as `BeliefFollower.step`."""
        vector = self.encode(frame)
        sounds = self._meter.push(frame)
        assert self._anywhere is not None
        newest = vector if self._steps else None
        self._steps += 1
        return self._anywhere.step(newest, sounds=sounds)

    def new_relocator(self) -> Relocator:
        """Who watches the whole score that `reset` read, for a game of one's own.

        Raises
        ------
        SfpipeError
            If `reset` was not called.
        """
        game = self.new_game(self._first_px)
        assert self._read is not None
        encoding = self._read[0]
        return new_relocator(game, encoding, self.bar_px, self.relocation, self.return_px)

    @property
    def certainty(self) -> Certainty:
        """What is to be told of the place that is followed."""
        return "following" if self._anywhere is None else self._anywhere.relocator.certainty


def sounding(spectrogram: np.ndarray) -> np.ndarray:
    """Which frames of a spectrogram sound: bool [shape=(n_frames,)]."""
    meter = SilenceMeter()
    return np.array([meter.push(frame) for frame in spectrogram.T])


class Tracer:
    """Follows whole sounds; what is said of a score is said once.

    Parameters
    ----------
    relocation:
        None: it follows as the game's agent, and goes nowhere else.
    """

    def __init__(
        self,
        network: PlaceNetwork,
        params: BeliefFilterParams,
        relocation: RelocationParams | None = None,
    ):
        self.network, self.params, self.relocation = network.eval(), params, relocation
        self._read: tuple[str, StripEncoding, np.ndarray] | None = None

    def trace(self, score: ScoreRecord, spectrogram: np.ndarray) -> np.ndarray:
        """Where it is in each frame, float64 [shape=(n_frames,)], strip px.

        Parameters
        ----------
        spectrogram:
            float32 [shape=(78, n_frames)]; it waits at the score's first onset, and the sound
            begins with the first note that is played.
        """
        encoding, bar_px = self._reading(score)
        start_px = float(score.onset_x_px[0])
        game = new_game(self.network, encoding, score, self.params, start_px)
        vectors = encode_performance(self.network, spectrogram)
        position = np.full(len(vectors) + 2, start_px)
        position[1] = game.step(None)
        if self.relocation is None:
            position[2:] = [game.step(vector) for vector in vectors]
        else:
            relocator = new_relocator(game, encoding, bar_px, self.relocation)
            anywhere = AnywhereGame(game, relocator)
            sounds = sounding(spectrogram)
            for n, vector in enumerate(vectors):
                position[n + 2] = anywhere.step(vector, sounds=bool(sounds[n]))
        return position[: len(vectors)]

    def _reading(self, score: ScoreRecord) -> tuple[StripEncoding, np.ndarray]:
        if self._read is None or self._read[0] != score.piece:
            encoding = encode_strip(self.network, score)
            self._read = score.piece, encoding, bars_on(score.strip)
        return self._read[1:]
