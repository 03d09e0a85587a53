"""Crops: a stretch of a strip and the sound that goes with it, many labelled states at once.

Every pair of a window in the stretch and an excerpt of the sound is a state of the game, and the
score says where its target is. A crop of nine windows and sixteen excerpts has some seventy
states within reach of the target, for which the convolutions of two windows and four excerpts
are computed (`sfpipe.agents.dense_conv`). The states differ in nothing but place and time, so that
what tells them apart is what matters.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from sfpipe.agents.dense_conv import DenseBranch
from sfpipe.game import dynamics
from sfpipe.game.dynamics import GameState, Observation
from sfpipe.store.bank import Bank, MemoryFormat
from sfpipe.store.schema import EXCERPT, is_augmented


class CropIndex(NamedTuple):
    """Where n crops lie [shape=(n,)].

    Attributes
    ----------
    performance:
        int64, index into the bank.
    begin_px:
        float64, left edge, padded strip px.
    frame:
        int64, first padded frame.
    """

    performance: torch.Tensor
    begin_px: torch.Tensor
    frame: torch.Tensor


class CropSampler:
    """Draws crops around random moments, every second of music equally often.

    It serves pretraining, its auxiliary losses, agents with a memory, and MM-Loc.

    Parameters
    ----------
    strip_px, frames:
        Size of a crop.
    left_px:
        Between these distances the target lies from the left edge at the moment.
    before:
        Between these shares of the frames lie before the moment.
    after:
        Frames that a moment has before the last onset, if there are so many.
    inside:
        Whether all frames lie between the first and the last onset, if there are so many.
    step_px:
        Left edges are multiples of it.
    augmented_weight:
        How often augmented performances are drawn; of others 1.
    """

    def __init__(
        self,
        bank: Bank,
        *,
        strip_px: int,
        frames: int,
        left_px: tuple[float, float],
        before: tuple[float, float] = (0.0, 0.0),
        after: int = 0,
        inside: bool = False,
        step_px: int = 1,
        augmented_weight: float = 1.0,
    ):
        self.bank, self.strip_px, self.frames = bank, strip_px, frames
        self.left_px, self.before, self.after, self.inside = left_px, before, after, inside
        self.step_px = step_px
        weight = {True: augmented_weight, False: 1.0}
        self.lengths = torch.tensor(
            [weight[is_augmented(name.performance)] * name.n_frames for name in bank.names]
        )

    def sample(self, n: int, generator: torch.Generator) -> CropIndex:
        """`n` crops.

        Parameters
        ----------
        generator:
            On the CPU.
        """
        bank = self.bank
        performance = torch.multinomial(self.lengths, n, replacement=True, generator=generator)
        dice = torch.rand(3, n, generator=generator, dtype=torch.float64).to(bank.device)
        performance = performance.to(bank.device)
        base = bank.frame_base[performance]
        first, last = bank.first_frame[performance], bank.last_frame[performance]
        room = (last - first - 1 - self.after).clamp(min=1)
        moment = first + 1 + (dice[0] * room).to(torch.int64)

        left = dynamics.target(bank, performance, moment) - _between(self.left_px, dice[1])
        begin = torch.minimum(left, bank.strip_width[performance] - self.strip_px).clamp(min=0)
        begin = (begin / self.step_px).floor() * self.step_px

        span = self.frames - 1
        frame = moment - (span * _between(self.before, dice[2])).to(torch.int64)
        if self.inside:
            frame = torch.maximum(torch.minimum(frame, last - span), first + 1)
        # What lies beyond a performance shorter than the crop is never played, but observed.
        frame = (base + frame).clamp(max=len(bank.targets) - self.frames) - base
        return CropIndex(performance, begin, frame)


def _between(bounds: tuple[float, float], share: torch.Tensor) -> torch.Tensor:
    return bounds[0] + (bounds[1] - bounds[0]) * share


class Crops(NamedTuple):
    """n crops of w windows and e excerpts each.

    Attributes
    ----------
    performance:
        int64 [shape=(n,)].
    speed:
        float64 [shape=(n,)], px/frame: one per crop, since it shows in the delta channel.
    position:
        float64 [shape=(n, w)], padded strip px, as in a state.
    frame:
        int64 [shape=(n, e)], padded frame, as in a state.
    played:
        bool [shape=(n, e)], the frame is between the first and the last onset.
    error:
        float64 [shape=(n, w, e)], position - target, px.
    playable:
        bool [shape=(n, w, e)], the state is one of a game: played, the target in the window.
    """

    performance: torch.Tensor
    speed: torch.Tensor
    position: torch.Tensor
    frame: torch.Tensor
    played: torch.Tensor
    error: torch.Tensor
    playable: torch.Tensor

    def states(self, which: tuple[torch.Tensor, ...]) -> GameState:
        """Some states, given crop, window and excerpt of each (int64 [shape=(m,)])."""
        crop, window, excerpt = which
        position, speed = self.position[crop, window], self.speed[crop]
        frame = self.frame[crop, excerpt]
        performance = self.performance[crop]
        return GameState(performance, frame, frame - 1, position, position - speed, speed)


class StateCropCutter:
    """Cuts crops whose windows and excerpts are states of the game.

    Strip and sound are shifted against each other, by up to a quarter of the strip's windows and
    30 % of the excerpts.

    Parameters
    ----------
    score, sound:
        The branches whose strides say where windows and excerpts begin.
    windows, excerpts:
        Of each crop; fewer where there is no room for so many.
    speed_spread:
        Farthest from the target's own speed, px/frame.
    """

    def __init__(
        self,
        bank: Bank,
        score: DenseBranch,
        sound: DenseBranch,
        windows: int,
        excerpts: int,
        speed_spread: float,
    ):
        self.bank, self.speed_spread = bank, speed_spread
        self.step_px = score.stride * bank.window.shrink
        self.step_frames = sound.stride
        # No crop is wider than the narrowest strip, or longer than all recordings together.
        room_px = int(bank.strip_width.min()) - bank.window.width - 2
        room = bank.frames_packed - EXCERPT - 2
        self.windows = min(windows, 1 + room_px // self.step_px)
        self.excerpts = min(excerpts, 1 + room // self.step_frames)
        self.image_columns = score.width(self.windows), sound.width(self.excerpts)
        reach, half = self.step_px * (self.windows - 1), bank.window.width / 2
        self.sampler = CropSampler(
            bank,
            strip_px=bank.window.width + reach + 2,
            frames=self.step_frames * (self.excerpts - 1) + 1,
            left_px=(half + 0.25 * reach, half + 0.75 * reach),
            before=(0.2, 0.8),
            inside=True,
        )
        device = bank.device
        self._window = torch.arange(self.windows, device=device) * self.step_px
        self._excerpt = torch.arange(self.excerpts, device=device) * self.step_frames

    def sample(self, n: int, generator: torch.Generator) -> Crops:
        """`n` crops.

        The speed is the target's own of four frames somewhere in the crop, give or take up to
        `speed_spread`, half of the time less than an eighth of that: an agent that knows no other
        speeds than the right ones does not find back to them.

        Parameters
        ----------
        generator:
            On the CPU.
        """
        bank = self.bank
        performance, begin, frame = self.sampler.sample(n, generator)
        dice = torch.rand(2, n, generator=generator, dtype=torch.float64).to(bank.device)
        first, last = bank.first_frame[performance], bank.last_frame[performance]
        span = self.sampler.frames - 1
        there = torch.minimum(frame + (dice[0] * span).to(torch.int64), last)
        earlier = (there - 4).clamp(min=0)
        pace = dynamics.target(bank, performance, there)
        pace = (pace - dynamics.target(bank, performance, earlier)) / 4
        speed = (pace + self.speed_spread * (2 * dice[1] - 1) ** 3).round()

        position = begin[:, None] + bank.window.width / 2 + self._window
        frames = frame[:, None] + self._excerpt
        inside = (frames > first[:, None]) & (frames <= last[:, None])
        bounded = torch.maximum(torch.minimum(frames, last[:, None]), first[:, None])
        targets = dynamics.target(bank, performance[:, None], bounded)
        error = position[:, :, None] - targets[:, None, :]
        playable = (error.abs() <= bank.window.threshold_px) & inside[:, None, :]
        return Crops(performance, speed, position, frames, inside, error, playable)

    def observe(self, crops: Crops, memory_format: MemoryFormat) -> Observation:
        """Both wide images of each crop, with their delta channels."""
        bank, performance = self.bank, crops.performance
        start = crops.position[:, 0]
        before = (start - crops.speed).clamp(min=bank.window.width / 2)
        # No wide image leaves its strip on the right either.
        wide = self.image_columns[0] * bank.window.shrink
        last = bank.strip_width[performance] - wide + bank.window.width / 2 - 1
        before = torch.minimum(before, last)
        column, previous = (bank.columns(performance, p) for p in (start, before))
        frame = bank.frame_base[performance] + crops.frame[:, 0]
        return Observation(
            bank.score_pairs(column, previous, memory_format, width=self.image_columns[0]),
            bank.excerpt_pairs(frame, frame - 1, memory_format, width=self.image_columns[1]),
        )
