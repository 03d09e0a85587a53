"""Small hand-made pieces for tests: numbers one can compute on paper."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from sfpipe.game.dynamics import GameState, Observation
from sfpipe.store.bank import Bank
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from sfpipe.store.schema import BINS, EXCERPT
from sfpipe.store.window import WINDOWS, Window

SMALL = Window("nottingham", width=30, height=8, shrink=1)


class RandomPlayer:
    """Draws every action uniformly."""

    needs_observation = False

    def __init__(self, generator: torch.Generator):
        self.generator = generator

    def act(self, state: GameState, observation: Observation | None) -> torch.Tensor:
        """One of the three actions, each equally likely."""
        n = len(state.frame)
        device = self.generator.device
        drawn = torch.randint(-1, 2, (n,), generator=self.generator, device=device)
        return drawn.to(state.position)


def score_record(
    piece: str, x: list[float], *, width: int, height: int = 40, split: str = "train", seed: int = 0
) -> ScoreRecord:
    """A strip of random grey with the given onset positions."""
    strip = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    xs = np.array(x, np.float32)
    return ScoreRecord(
        piece,
        split,
        piece,
        strip,
        xs,
        np.full(len(x), height / 2, np.float32),
        np.arange(len(x), dtype=float),
        3.5,
        28.346,
    )


def performance_record(
    piece: str,
    onset_s: list[float],
    *,
    frames: int,
    name: str = "p",
    split: str = "train",
    seed: int = 0,
) -> PerformanceRecord:
    """A random spectrogram with the given onset times."""
    spec = np.random.default_rng(seed).random((78, frames)).astype(np.float32)
    return PerformanceRecord(
        piece,
        name,
        split,
        spec,
        np.array(onset_s),
        np.arange(len(onset_s), dtype=np.int32),
        1.0,
        "none",
    )


def two_pieces(
    window: Window,
    *,
    x: Sequence[list[float]] = ([20, 60, 140], [33, 90, 200]),
    onset_s: Sequence[list[float]] = ([0.2, 1.2, 3.2], [0.5, 1.5, 4.0]),
    widths: Sequence[int] = (301, 280),
    frames: Sequence[int] = (70, 90),
) -> tuple[dict[str, ScoreRecord], list[PerformanceRecord]]:
    """Scores and performances of pieces "a" and "b", of random grey; values are theirs in turn."""
    scores, performances = {}, []
    for i, piece in enumerate("ab"):
        scores[piece] = score_record(piece, x[i], width=widths[i], height=window.height, seed=i)
        performances.append(performance_record(piece, onset_s[i], frames=frames[i], seed=i))
    return scores, performances


# Pieces with three and four onsets, the second longer than the first.
UNEQUAL = {
    "x": ([20, 60, 140], [33, 90, 200, 700]),
    "onset_s": ([0.2, 1.2, 3.2], [0.5, 1.5, 4.0, 14.0]),
    "widths": (301, 900),
    "frames": (70, 300),
}


def toy_bank(window) -> Bank:
    """Two pieces and three performances of random grey; the last is a short one."""
    scores, performances = two_pieces(window, **UNEQUAL)
    performances.append(performance_record("a", [0.2, 1.2, 2.2], frames=50))
    return Bank(scores, performances, window)


def ramp_bank(n: int = 6, window: Window = SMALL) -> Bank:
    """Pieces whose ink and sound both grow along the way, at constant speeds of 1 or 2 px/frame.

    The mean ink of the window minus the mean level of the excerpt is the tracking error, so
    that even a tiny network can see what to do.
    """
    scores, performances = {}, []
    for i in range(n):
        name, speed, frames = f"ramp{i}", 1 + i % 2, 60 + 5 * i
        width = 40 + speed * frames
        ink = np.clip(np.arange(width) / 200, 0, 1)
        strip = np.round(255 * (1 - np.tile(ink, (40, 1)))).astype(np.uint8)
        x = [10.0, 10.0 + speed * (frames - 10)]
        scores[name] = ScoreRecord(
            name,
            "train",
            name,
            strip,
            np.array(x, np.float32),
            np.full(2, 20, np.float32),
            np.arange(2.0),
            3.5,
            28.346,
        )
        level = np.clip((10 + speed * np.arange(frames)) / 200, 0, 1)
        spec = np.tile(level, (78, 1)).astype(np.float32)
        onset_s = np.array([0.001, (frames - 10) / 20 + 0.001])
        performances.append(
            PerformanceRecord(
                name, "p", "train", spec, onset_s, np.arange(2, dtype=np.int32), 1.0, "none"
            )
        )
    return Bank(scores, performances, window)


def stop_after(updates: int) -> Callable[[], bool]:
    """Say stop when asked for the n-th time."""
    asked = []

    def should_stop() -> bool:
        asked.append(1)
        return len(asked) == updates

    return should_stop


class TinyNetwork(nn.Module):
    """Sees the mean ink, the newest level and both changes; enough for `ramp_bank`."""

    def __init__(self, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        self.hidden = nn.Sequential(nn.Linear(4, 32), nn.Tanh())
        self.policy, self.value = nn.Linear(32, 3), nn.Linear(32, 1)
        self.channels, self.branch_widths = 2, (2, 2)
        self.score = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        newest = nn.Conv2d(2, 2, (BINS, EXCERPT), bias=False).requires_grad_(False)
        newest.weight.zero_()
        for channel in range(2):
            newest.weight[channel, channel, :, -1] = 1 / BINS
        self.spectrogram = nn.Sequential(newest, nn.Flatten())

    def features(self, score: torch.Tensor, spectrogram: torch.Tensor):
        """As `ActorCritic.features`."""
        return self.score(score), self.spectrogram(spectrogram)

    def join(self, ink: torch.Tensor, newest: torch.Tensor):
        """As `ActorCritic.join`."""
        error = 200 * (ink[:, :1] - newest[:, :1]) / 10
        moved = 200 * torch.stack([ink[:, 1], newest[:, 1]], 1)
        seen = torch.cat([error, error.tanh(), moved], 1)
        return self.hidden(seen)

    def heads(self, embedding: torch.Tensor):
        """Logits and values, as `ActorCritic.heads`."""
        return self.policy(embedding), self.value(embedding).squeeze(1)


NOTTINGHAM = WINDOWS["nottingham"]
