"""The rules of the game (sections 2.2 to 2.4) as pure functions on tensors, for many games at once.

The state of a game is six numbers; nothing else moves. Observations are gathered from the bank
when somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch

from sfpipe.store.bank import PLANES, Bank, MemoryFormat
from sfpipe.store.window import Window


class GameState(NamedTuple):
    """States of n games [shape=(n,) each].

    Attributes
    ----------
    performance:
        int64, index into the bank.
    frame:
        int64, padded frame p; the newest frame in its excerpt is p - 1.
    previous_frame:
        int64, the frame of the previous state; equal to `frame` in the first state of a game.
    position:
        float64, padded strip px.
    previous_position:
        float64, padded strip px; equal to `position` in the first state of a game.
    speed:
        float64, px/frame.
    """

    performance: torch.Tensor
    frame: torch.Tensor
    previous_frame: torch.Tensor
    position: torch.Tensor
    previous_position: torch.Tensor
    speed: torch.Tensor


class StepResult(NamedTuple):
    """What a step led to [shape=(n,) each].

    Attributes
    ----------
    reward:
        float32 in [0, 1].
    lost:
        bool, the target left the tracking window.
    finished:
        bool, the last onset was reached with the target in the window.
    error:
        float64, tracking error in px: position - target, negative when behind.
    """

    reward: torch.Tensor
    lost: torch.Tensor
    finished: torch.Tensor
    error: torch.Tensor

    @property
    def terminated(self) -> torch.Tensor:
        """bool, the game is over: lost or finished."""
        return self.lost | self.finished


class ObservationIndex(NamedTuple):
    """Where the observation of a state lies in the bank: four int64 [shape=(n,)] indices."""

    frame: torch.Tensor
    previous_frame: torch.Tensor
    column: torch.Tensor
    previous_column: torch.Tensor


class Observation(NamedTuple):
    """What the agent sees of n games; channel 1 is this state minus the previous one.

    Attributes
    ----------
    score:
        float32 (or what the memory format says) [shape=(n, 2, height, width)], ink in [0, 1].
    spectrogram:
        float32 [shape=(n, 2, 78, 40)].
    """

    score: torch.Tensor
    spectrogram: torch.Tensor


def start(bank: Bank, performance: torch.Tensor) -> GameState:
    """First states: the performance's first onset, its position, speed 0."""
    frame = bank.first_frame[performance]
    position = bank.start_x[performance]
    return GameState(performance, frame, frame, position, position, torch.zeros_like(position))


def scatter(
    bank: Bank, performance: torch.Tensor, generator: torch.Generator, threshold_px: float
) -> GameState:
    """Random states inside games, where a follower might find itself.

    The frame is uniform between first and last onset; the tracking error is normal with a
    deviation of a third of the threshold, within the threshold; the speed is the target's own
    of the last four frames, give or take one px/frame.

    Parameters
    ----------
    generator:
        On any device.
    """

    def numbers(draw: Callable[..., torch.Tensor]) -> torch.Tensor:
        of = {"generator": generator, "device": generator.device, "dtype": torch.float64}
        return draw(len(performance), **of).to(bank.device)

    drawn, normal = partial(numbers, torch.rand), partial(numbers, torch.randn)
    first, last = bank.first_frame[performance], bank.last_frame[performance]
    frame = first + 1 + (drawn() * (last - first - 1)).to(torch.int64)
    aim = target(bank, performance, frame)
    earlier = target(bank, performance, (frame - 4).clamp(min=0))
    speed = ((aim - earlier) / 4 + 2 * drawn() - 1).round()
    error = normal().clamp(-2.5, 2.5) * drawn() * (threshold_px / 2.5)
    position = clip_position(bank, performance, (aim + error).floor())
    previous = clip_position(bank, performance, position - speed)
    return GameState(performance, frame, frame - 1, position, previous, speed)


def position_limits(window: Window, strip_width: Any) -> tuple[float, Any]:
    """First and last position in a padded strip (its width a number or a tensor), px."""
    half = window.width / 2
    return half, strip_width - half - 1


def clip_position(bank: Bank, performance: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    """Positions inside the strips, float64 [shape=(n,)], padded strip px."""
    first, last = position_limits(bank.window, bank.strip_width[performance])
    return torch.minimum(position.clamp(min=first), last)


def is_lost(error: Any, threshold_px: float) -> Any:
    """Whether the target is out of the window: of a number, an array or a tensor, px."""
    return abs(error) > threshold_px


def target(bank: Bank, performance: torch.Tensor, frame: torch.Tensor) -> torch.Tensor:
    """Target x in padded px: linear interpolation of onset positions over onset frames."""
    # Nothing stops a game that is played on after its end.
    index = (bank.frame_base[performance] + frame).clamp(max=len(bank.targets) - 1)
    return bank.targets[index]


def step(
    bank: Bank, state: GameState, acceleration: torch.Tensor, threshold_px: float
) -> tuple[GameState, StepResult]:
    """Advance every game by one frame.

    Parameters
    ----------
    acceleration:
        float64 [shape=(n,)], change of speed in px/frame.
    threshold_px:
        b of the reward (b - |d|) / b.

    Notes
    -----
    A game that is over must be restarted by the caller before the next step.
    """
    speed = state.speed + acceleration
    position = clip_position(bank, state.performance, state.position + speed)
    frame = state.frame + 1
    error = position - target(bank, state.performance, frame)
    lost = is_lost(error, threshold_px)
    reward = ((threshold_px - error.abs()) / threshold_px).clamp(min=0).to(torch.float32)
    finished = (frame >= bank.last_frame[state.performance]) & ~lost
    after = GameState(state.performance, frame, state.frame, position, state.position, speed)
    return after, StepResult(reward, lost, finished, error)


def advance(
    bank: Bank, state: GameState, acceleration: torch.Tensor, threshold_px: float, frames: int
) -> tuple[GameState, StepResult]:
    """Advance every game by `frames` frames: the speed changes with the first, and then stays.

    A game that is over stays in the state that ended it.

    Returns
    -------
    tuple[GameState, StepResult]
        As of `step`; the reward is the mean over `frames`, none after the end of a game.
    """
    after, outcome = step(bank, state, acceleration, threshold_px)
    reward, unchanged = outcome.reward, torch.zeros_like(acceleration)
    for _ in range(frames - 1):
        over = outcome.terminated
        following, later = step(bank, after, unchanged, threshold_px)
        reward = reward + torch.where(over, 0.0, later.reward)
        after = where(over, after, following)
        outcome = StepResult(
            *(torch.where(over, a, b) for a, b in zip(outcome, later, strict=True))
        )
    return after, outcome._replace(reward=reward / frames)


def observation_index(bank: Bank, state: GameState) -> ObservationIndex:
    """Where the observation of each state lies in the bank."""
    base = bank.frame_base[state.performance]
    return ObservationIndex(
        base + state.frame,
        base + state.previous_frame,
        bank.columns(state.performance, state.position),
        bank.columns(state.performance, state.previous_position),
    )


def observe(bank: Bank, at: ObservationIndex, memory_format: MemoryFormat = PLANES) -> Observation:
    """Gather observations; the delta channel is zero where a state is its own previous one."""
    return Observation(
        bank.score_pairs(at.column, at.previous_column, memory_format),
        bank.excerpt_pairs(at.frame, at.previous_frame, memory_format),
    )


def select(state: GameState, which: torch.Tensor) -> GameState:
    """The states of some games (bool mask or int64 indices)."""
    return GameState(*(field[which] for field in state))


def select_index(index: ObservationIndex, which: torch.Tensor | slice) -> ObservationIndex:
    """The indices of some states (bool mask, int64 indices or a slice)."""
    return ObservationIndex(*(field[which] for field in index))


def where(mask: torch.Tensor, yes: GameState, no: GameState) -> GameState:
    """Game by game, the state of `yes` where `mask`, else that of `no`."""
    return GameState(*(torch.where(mask, a, b) for a, b in zip(yes, no, strict=True)))
