"""Crops: a stretch of a strip and the sound that goes with it, many labelled states at once.

Every pair of a window in the stretch and an excerpt of the sound is a state of the game, and the
score says where its target is. A passage of nine windows and sixteen excerpts has some seventy
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
from sfpipe.store.schema import EXCERPT


class Crops(NamedTuple):
    """n passages of w windows and e excerpts each.

    Attributes
    ----------
    performance:
        int64 [shape=(n,)].
    speed:
        float64 [shape=(n,)], px/frame: one per passage, since it shows in the delta channel.
    position:
        float64 [shape=(n, w)], padded strip px, as in a state.
    frame:
        int64 [shape=(n, e)], padded frame, as in a state.
    heard:
        bool [shape=(n, e)], the frame is between the first and the last onset.
    error:
        float64 [shape=(n, w, e)], position - target, px.
    playable:
        bool [shape=(n, w, e)], the state is one of a game: heard, the target in the window.
    """

    performance: torch.Tensor
    speed: torch.Tensor
    position: torch.Tensor
    frame: torch.Tensor
    heard: torch.Tensor
    error: torch.Tensor
    playable: torch.Tensor

    def states(self, which: tuple[torch.Tensor, ...]) -> GameState:
        """Some states, given passage, window and excerpt of each (int64 [shape=(m,)])."""
        passage, window, excerpt = which
        position, speed = self.position[passage, window], self.speed[passage]
        frame = self.frame[passage, excerpt]
        performance = self.performance[passage]
        return GameState(performance, frame, frame - 1, position, position - speed, speed)


class CropSampler:
    """Draws passages from a bank, every second of music equally often.

    Parameters
    ----------
    score, sound:
        The branches whose strides say where windows and excerpts begin.
    windows, excerpts:
        Of each passage; fewer where there is no room for so many.
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
        # No passage is wider than the narrowest strip, or longer than all recordings together.
        room_px = int(bank.strip_width.min()) - bank.window.width - 2
        room = bank.spectrogram.shape[1] - EXCERPT - 2
        self.windows = min(windows, 1 + room_px // self.step_px)
        self.excerpts = min(excerpts, 1 + room // self.step_frames)
        self.seen = score.width(self.windows), sound.width(self.excerpts)
        self._lengths = torch.tensor([float(i.n_frames) for i in bank.infos])
        device = bank.device
        self._window = torch.arange(self.windows, device=device) * self.step_px
        self._excerpt = torch.arange(self.excerpts, device=device) * self.step_frames

    def draw(self, n: int, generator: torch.Generator) -> Crops:
        """Crops around random moments.

        Strip and sound are shifted against each other, by up to a quarter of the strip's windows
        and 30 % of the excerpts. The speed is the target's own of four frames somewhere in the
        passage, give or take up to `speed_spread`, half of the time less than an eighth of that:
        an agent that knows no other speeds than the right ones does not find back to them.

        Parameters
        ----------
        generator:
            On the CPU.
        """
        bank = self.bank
        device, half = bank.device, bank.window.width / 2
        performance = torch.multinomial(self._lengths, n, replacement=True, generator=generator)
        dice = torch.rand(4, n, generator=generator, dtype=torch.float64).to(device)
        performance = performance.to(device)
        base = bank.frame_base[performance]
        first, last = bank.first_frame[performance], bank.last_frame[performance]
        moment = first + 1 + (dice[0] * (last - first - 1)).to(torch.int64)

        reach = self.step_px * (self.windows - 1)
        aim = dynamics.target(bank, performance, moment)
        begin = aim - half - reach * (0.25 + 0.5 * dice[1])
        end = bank.strip_width[performance] - bank.window.width - reach - 2
        begin = torch.minimum(begin.clamp(min=0), end).floor()

        span = self.step_frames * (self.excerpts - 1)
        frame = moment - (span * (0.2 + 0.6 * dice[2])).to(torch.int64)
        frame = torch.maximum(torch.minimum(frame, last - span), first + 1)
        # What lies beyond a performance shorter than the passage is never played, but looked at.
        frame = (base + frame).clamp(max=bank.spectrogram.shape[1] - span - 1) - base

        there = torch.minimum(frame + (dice[3] * span).to(torch.int64), last)
        earlier = (there - 4).clamp(min=0)
        pace = dynamics.target(bank, performance, there)
        pace = (pace - dynamics.target(bank, performance, earlier)) / 4
        jitter = torch.rand(n, generator=generator, dtype=torch.float64).to(device)
        speed = (pace + self.speed_spread * (2 * jitter - 1) ** 3).round()

        position = begin[:, None] + half + self._window
        frames = frame[:, None] + self._excerpt
        inside = (frames > first[:, None]) & (frames <= last[:, None])
        bounded = torch.maximum(torch.minimum(frames, last[:, None]), first[:, None])
        targets = bank.targets[base[:, None] + bounded]
        error = position[:, :, None] - targets[:, None, :]
        playable = (error.abs() <= bank.window.threshold_px) & inside[:, None, :]
        return Crops(performance, speed, position, frames, inside, error, playable)

    def look(self, passages: Crops, memory_format: MemoryFormat) -> Observation:
        """Both wide images of each passage, with their delta channels."""
        bank, performance = self.bank, passages.performance
        start = passages.position[:, 0]
        before = (start - passages.speed).clamp(min=bank.window.width / 2)
        # No wide image leaves its strip on the right either.
        wide = self.seen[0] * bank.window.shrink
        last = bank.strip_width[performance] - wide + bank.window.width / 2 - 1
        before = torch.minimum(before, last)
        column, previous = (bank.columns(performance, p) for p in (start, before))
        frame = bank.frame_base[performance] + passages.frame[:, 0]
        return Observation(
            bank.score_pairs(column, previous, memory_format, width=self.seen[0]),
            bank.excerpt_pairs(frame, frame - 1, memory_format, width=self.seen[1]),
        )
