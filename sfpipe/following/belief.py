"""The agent at work: on sound that arrives frame by frame, or on whole performances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from sfpipe.agents.hardware import on_cpu
from sfpipe.belief.filter import Belief
from sfpipe.belief.network import COLUMNS, LOG_QUARTERS_PER_PX, PlaceNetwork
from sfpipe.belief.planning import HORIZON, best_move
from sfpipe.belief.streaming import StreamingEncoder
from sfpipe.errors import SfpipeError
from sfpipe.game.dynamics import position_limits
from sfpipe.game.follower import check_frame, judged, play_through
from sfpipe.game.play import PlayedGame
from sfpipe.game.single import clip_number
from sfpipe.params import BeliefFilterParams
from sfpipe.progress import Progress
from sfpipe.store.bank import merge_onsets
from sfpipe.store.packing import crop_rows, halve
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from sfpipe.store.window import Window

_PAPER = 16  # places of paper before and after a strip
_AHEAD = np.arange(2, HORIZON + 2, dtype=np.float64)  # frames after the newest one
_AROUND = 3  # places to either side of the believed one that count as it
_NO_TIME = -12.0  # log of quarter notes per px
_AT_ONCE = 4096  # frames encoded together, to bound memory


@dataclass(frozen=True)
class StripEncoding:
    """What the network made of a score.

    Attributes
    ----------
    vector:
        float32 [shape=(places, 96)].
    pace:
        float32 [shape=(places,)], log of quarter notes per strip px.
    offset_px:
        From the first place to the strip's left edge.
    timeless:
        Parts of the strip (begin, end, px) that take no time, whatever `pace` says.
    """

    vector: np.ndarray
    pace: np.ndarray
    offset_px: float
    timeless: Sequence[tuple[float, float]] = ()

    def motion(self, place_px: float) -> np.ndarray:
        """As `pace`, but of no time where none passes."""
        motion = self.pace.copy()
        for begin, end in self.timeless:
            first, last = (round((x + self.offset_px) / place_px) for x in (begin, end))
            motion[max(first, 0) : max(last, 0)] = _NO_TIME
        return motion


@torch.no_grad()
def encode_strip(network: PlaceNetwork, score: ScoreRecord) -> StripEncoding:
    """Read a whole strip.

    Raises
    ------
    SfpipeError
        If the strip is lower than the window.
    """
    window = network.window
    ink = crop_rows(score.strip, window.height)
    shrunk = ink if window.shrink == 1 else halve(ink)
    paper = _PAPER * COLUMNS
    padded = np.pad(shrunk, ((0, 0), (paper, paper + -shrunk.shape[1] % COLUMNS)))
    device = next(network.parameters()).device
    image = torch.from_numpy(padded).to(device, torch.float32) / 255
    places = network.encode_score(image[None, None])
    pace = places.log_quarters_per_px[0].clamp(*LOG_QUARTERS_PER_PX).cpu().numpy()
    inside = slice(_PAPER, len(pace) - _PAPER)
    pace[: inside.start] = pace[inside.stop :] = np.median(pace[inside])
    return StripEncoding(places.vector[0].cpu().numpy(), pace, float(_PAPER * network.place_px))


@torch.no_grad()
def encode_performance(network: PlaceNetwork, spectrogram: np.ndarray) -> np.ndarray:
    """Vectors of all frames of a performance: float32 [shape=(n_frames, 96)].

    Parameters
    ----------
    spectrogram:
        float32 [shape=(78, n_frames)]; silence precedes it.
    """
    device = next(network.parameters()).device
    before = network.context - 1
    sound = torch.from_numpy(np.pad(spectrogram, ((0, 0), (before, 0)))).to(device)
    parts = [
        network.encode_audio(sound[None, None, :, at : at + _AT_ONCE + before])[0, before:]
        .cpu()
        .numpy()
        for at in range(0, spectrogram.shape[1], _AT_ONCE)
    ]
    return np.concatenate(parts)


class BeliefGame:
    """One game: belief, position and speed.

    Parameters
    ----------
    encoding:
        Of the score.
    start_px:
        Where the game begins, strip px.
    width_px:
        Of the strip.
    sharpness:
        Factor of the vectors' cosines.

    Attributes
    ----------
    match:
        How much better the newest frame goes with the places around the believed one than with
        the window on average: the log of a ratio, about 2.5 while it follows, below 0 elsewhere.
    logits:
        float32 [shape=(places,)], how well each place goes with the newest frame.
    tempo:
        Quarter notes per frame.
    """

    def __init__(
        self,
        encoding: StripEncoding,
        start_px: float,
        width_px: int,
        window: Window,
        place_px: float,
        sharpness: float,
        params: BeliefFilterParams,
    ):
        self.window, self.offset = window, encoding.offset_px
        self.vector, self.sharpness = encoding.vector * np.float32(sharpness), sharpness
        self.prior = np.float32(params.place_prior_exponent) * encoding.pace
        self.belief = Belief(encoding.motion(place_px), place_px, 0.75 * window.width, params)
        self.position, self.speed = float(start_px), 0.0
        first, last = position_limits(window, width_px + 2 * window.width)
        self.limits = first - window.width, last - window.width
        self.belief.reset(start_px + self.offset)
        self.n_frames = 0
        self.match = 0.0
        self.logits = np.zeros(len(self.vector), np.float32)

    @property
    def tempo(self) -> float:
        """As the belief has it."""
        return self.belief.mean_tempo

    def expected(self, frames: float) -> float:
        """Where the music is believed to be so many frames after the newest one, strip px."""
        return float(self.belief.predict(np.array([frames]))[0]) - self.offset

    def go_to(self, x_px: float, tempo: float | None = None) -> None:
        """Be at `x_px`, strip px, at once, whatever was believed before."""
        self.belief.reset(x_px + self.offset, tempo)
        self.position, self.speed = clip_number(x_px, *self.limits), 0.0

    def step(self, frame: np.ndarray | None) -> float:
        """Hear a frame and move; returns the position two frames later, strip px.

        Parameters
        ----------
        frame:
            Vector of the newest frame, float32 [shape=(96,)]; None before the first onset's.
        """
        if frame is not None:
            self.logits = self.vector @ frame - self.prior
            here = self.position + self.offset
            self.belief.update(self.logits, here, self.window.width, move=self.n_frames > 0)
            self.match = self._match(self.logits, here)
            self.n_frames += 1
        aims = self.belief.predict(_AHEAD if self.n_frames else _AHEAD - 1) - self.offset
        self.speed += best_move(self.position, self.speed, aims, *self.limits)
        self.position = clip_number(self.position + self.speed, *self.limits)
        return self.position

    def _match(self, logits: np.ndarray, here: float) -> float:
        """As the attribute says, of the window around `here`, px from the first place."""
        place_px, half = self.belief.place_px, self.window.width / 2
        window = logits[max(int((here - half) / place_px), 0) : int((here + half) / place_px) + 1]
        at = int(float(self.belief.predict(np.zeros(1))[0]) / place_px)
        around = logits[max(at - _AROUND, 0) : at + _AROUND + 1]
        best = float(window.max())
        return float(around.max()) - best - float(np.log(np.mean(np.exp(window - best))))


class BeliefFollower:
    """Follows sound frame by frame (`sfpipe.game.follower.Follower`), on the CPU."""

    lead_frames = 2

    def __init__(self, network: PlaceNetwork, params: BeliefFilterParams):
        self.network, self.params, self.window = on_cpu(network).eval(), params, network.window
        self._encoder = StreamingEncoder(self.network)
        self._game: BeliefGame | None = None
        self._read: tuple[StripEncoding, ScoreRecord] | None = None
        self._steps = 0

    def reset(
        self,
        score: ScoreRecord,
        start_px: float | None = None,
        *,
        timeless: Sequence[tuple[float, float]] = (),
    ) -> None:
        """Read a score and wait in it: as `AgentFollower.reset`; `timeless` as `StripEncoding`."""
        encoding = replace(encode_strip(self.network, score), timeless=tuple(timeless))
        self._read = encoding, score
        self._game = self.new_game(float(score.onset_x_px[0]) if start_px is None else start_px)
        self._encoder.reset()
        self._steps = 0

    def prime(self, frame: np.ndarray) -> None:
        """Take in a frame without moving: as `AgentFollower.prime`."""
        self.encode(frame)

    def step(self, frame: np.ndarray) -> float:
        """Hear one frame and move; returns the position in strip px, `lead_frames` later.

        Raises
        ------
        SfpipeError
            As `prime`.
        """
        vector = self.encode(frame)
        assert self._game is not None
        # The frame before the first onset says nothing: at the first onset the game begins.
        newest = vector if self._steps else None
        self._steps += 1
        return self._game.step(newest)

    def encode(self, frame: np.ndarray) -> np.ndarray:
        """The newest frame's vector, float32 [shape=(96,)], for games of one's own.

        Raises
        ------
        SfpipeError
            As `prime`.
        """
        check_frame(frame, ready=self._game is not None)
        return self._encoder.add(frame)

    def new_encoder(self) -> StreamingEncoder:
        """An encoder of one's own, for games of one's own; silence is all there was."""
        return self._encoder.another()

    def new_game(self, start_px: float) -> BeliefGame:
        """One more game on the score that `reset` read, beginning at `start_px` of the strip.

        Raises
        ------
        SfpipeError
            If `reset` was not called.
        """
        if self._read is None:
            raise SfpipeError("there is no score to follow", remedy="call reset(score) first")
        encoding, score = self._read
        return new_game(self.network, encoding, score, self.params, start_px)


def new_game(
    network: PlaceNetwork,
    encoding: StripEncoding,
    score: ScoreRecord,
    params: BeliefFilterParams,
    start_px: float,
) -> BeliefGame:
    """A game that begins at `start_px`, in strip px without padding."""
    return BeliefGame(
        encoding,
        start_px,
        score.strip.shape[1],
        network.window,
        network.place_px,
        float(network.sharpness.detach().exp()),
        params,
    )


def play_all(
    network: PlaceNetwork,
    params: BeliefFilterParams,
    scores: Mapping[str, ScoreRecord],
    performances: Sequence[PerformanceRecord],
    *,
    label: str | None = None,
) -> list[PlayedGame]:
    """Follow every performance, as `follow` does, but what is said of a whole piece is said once.

    Parameters
    ----------
    label:
        Shown with a progress line; None is silent.
    """
    network.eval()
    games: list[PlayedGame] = []
    encodings: dict[str, StripEncoding] = {}
    progress = Progress(label, len(performances), "games") if label else None
    for record in performances:
        score = scores[record.piece]
        if record.piece not in encodings:
            encodings[record.piece] = encode_strip(network, score)
        games.append(_play(network, params, encodings[record.piece], score, record))
        if progress:
            progress.advance()
    if progress:
        progress.close()
    return games


def _play(
    network: PlaceNetwork,
    params: BeliefFilterParams,
    encoding: StripEncoding,
    score: ScoreRecord,
    record: PerformanceRecord,
) -> PlayedGame:
    """Follow one performance of a score that was read."""
    info = merge_onsets(score, record, network.window)
    first = int(info.onset_frames[0])
    vectors = encode_performance(network, record.spectrogram)
    game = new_game(network, encoding, score, params, float(info.onset_x_px[0]))

    believed: list[float] = []

    def step(n: int) -> float:
        position = game.step(vectors[min(first + n - 1, len(vectors) - 1)] if n else None)
        # The first step has no frame: the belief is of the first onset, one frame before.
        believed.append(game.expected(BeliefFollower.lead_frames if n else 1.0))
        return position

    played = judged(info, play_through(step, info), network.window)
    return replace(played, believed_px=np.array(believed, np.float32))
