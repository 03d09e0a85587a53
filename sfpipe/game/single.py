"""One game in plain numbers: the rules of `dynamics` without a tensor's cost per operation.

For environments that step one game at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from sfpipe.game.dynamics import GameState, is_lost, position_limits
from sfpipe.store.bank import Bank
from sfpipe.store.schema import EXCERPT


class Step(NamedTuple):
    """What a step led to: reward in [0, 1], target out of the window, last onset reached."""

    reward: float
    lost: bool
    finished: bool


def clip_number(position: float, first: float, last: float) -> float:
    """A position inside a strip (`dynamics.clip_position`)."""
    return min(max(position, first), last)


class SingleGame:
    """One performance of a bank, played.

    Attributes
    ----------
    frame, previous_frame:
        Padded frames p, as in `GameState`.
    position, previous_position:
        Padded strip px.
    speed:
        px/frame.
    """

    def __init__(self, bank: Bank, performance: int):
        self.bank, self.performance = bank, performance
        self.info = bank.infos[performance]
        window = bank.window
        self._threshold = float(window.threshold_px)
        self._limits = position_limits(window, float(bank.strip_width[performance]))
        self._place = bank.offsets[self.info.piece]
        self._first_frame = int(bank.frame_base[performance])
        self._last = int(bank.last_frame[performance])
        frames = self.info.n_frames + EXCERPT
        curve = bank.targets[self._first_frame : self._first_frame + frames]
        self._targets: list[float] = curve.tolist()
        self._end_frame = frames - 1
        self.frame = self.previous_frame = int(bank.first_frame[performance])
        self.position = self.previous_position = float(bank.start_x[performance])
        self.speed = 0.0

    @property
    def target(self) -> float:
        """Target x in padded strip px."""
        return self._targets[min(self.frame, self._end_frame)]

    def step(self, acceleration: float) -> Step:
        """Change the speed, move, go on by one frame (`dynamics.step`)."""
        self.speed += acceleration
        self.previous_position, self.previous_frame = self.position, self.frame
        self.frame += 1
        self.position = clip_number(self.position + self.speed, *self._limits)
        error, threshold = self.position - self.target, self._threshold
        reward, lost = max((threshold - abs(error)) / threshold, 0.0), is_lost(error, threshold)
        return Step(float(np.float32(reward)), lost, self.frame >= self._last and not lost)

    def observe(self) -> tuple[np.ndarray, np.ndarray]:
        """Score and spectrogram, float32 [shape=(2, height, width)] and [shape=(2, 78, 40)]."""
        bank = self.bank
        column = self._place.column(self.position, bank.window)
        previous = self._place.column(self.previous_position, bank.window)
        # Nobody is kept from playing on after the end; the sound then stands still.
        newest = self._first_frame + min(self.frame, self._end_frame)
        before = self._first_frame + min(self.previous_frame, self._end_frame)
        return bank.score_pair(column, previous), bank.excerpt_pair(newest, before)

    def state(self) -> GameState:
        """This game as a batch of one."""
        device = self.bank.device

        def one(value: float, dtype: torch.dtype) -> torch.Tensor:
            return torch.tensor([value], dtype=dtype, device=device)

        return GameState(
            one(self.performance, torch.int64),
            one(self.frame, torch.int64),
            one(self.previous_frame, torch.int64),
            one(self.position, torch.float64),
            one(self.previous_position, torch.float64),
            one(self.speed, torch.float64),
        )
