"""MM-Loc at work: one performance frame by frame, or all performances of a bank at once."""

from __future__ import annotations

import numpy as np
import torch

from sfpipe.agents.dense_conv import CachedBranch, cache_strip, frozen, joint_parts
from sfpipe.agents.hardware import on_cpu
from sfpipe.baselines.mm_loc import MmLoc
from sfpipe.baselines.mm_loc_examples import Examples
from sfpipe.game import dynamics
from sfpipe.game.follower import LatestFrames, check_frame, judged
from sfpipe.game.play import PlayedGame
from sfpipe.game.single import clip_number
from sfpipe.progress import Progress
from sfpipe.store.bank import Bank
from sfpipe.store.reader import ScoreRecord
from sfpipe.store.schema import BINS, EXCERPT


class MmLocFollower:
    """Follows sound that arrives frame by frame: each snippet is centred on the last estimate.

    In float32, on the CPU.
    """

    lead_frames = 0  # it says where the newest frame is

    def __init__(self, network: MmLoc):
        self.network = network = on_cpu(network)
        self.window = network.window
        self._score_branch = frozen(network.score, torch.float32)
        self._audio_branch = frozen(network.spectrogram, torch.float32)
        self._head = frozen(network.place, torch.float32)
        self._joint = joint_parts(network)
        self._sound = LatestFrames(network.context)
        self._branch: CachedBranch | None = None

    def reset(self, score: ScoreRecord) -> None:
        """Read a score and wait at its first onset: as `AgentFollower.reset`."""
        window = self.window
        self._branch, self._place, (self._first, self._last) = cache_strip(
            self._score_branch, self._joint[0], score, window
        )
        self._position = float(score.onset_x_px[0]) + window.width
        self._sound.forget()

    def prime(self, frame: np.ndarray) -> None:
        """Take in a frame without moving: as `AgentFollower.prime`."""
        check_frame(frame, ready=self._branch is not None)
        self._sound.add(frame)

    @torch.no_grad()
    def step(self, frame: np.ndarray) -> float:
        """Hear one frame, float32 [shape=(78,)]; returns where it is, px of the strip.

        Raises
        ------
        SfpipeError
            As `prime`.
        """
        self.prime(frame)
        assert self._branch is not None
        column = self._place.column(self._position, self.window)
        score = torch.from_numpy(self._branch.at(column, column))
        audio = self._audio_branch(torch.from_numpy(self._sound.spectrogram))[0] @ self._joint[1].T
        embedding = self.network.joint[1](score + audio + self._joint[2])
        x = float(self.network.places(self._head(embedding[None]))[0])
        start = int(self._position - self.window.width / 2)
        self._position = clip_number(start + x, self._first, self._last)
        return self._position - self.window.width


class MmLocPlaces:
    """The estimates of an MM-Loc for a bank: what windows share is computed once.

    Holds for the weights the network has now.
    """

    def __init__(self, network: MmLoc, examples: Examples, *, bfloat16: bool = False):
        self.network, self.examples = network, examples
        self.dtype = torch.bfloat16 if bfloat16 else torch.float32
        bank, (score, audio, self.bias) = examples.bank, joint_parts(network)
        self.head = frozen(network.place, self.dtype)
        self.score = CachedBranch(
            network.score, score, bank.strip, 1 / 255, network.window.image_shape, self.dtype
        )
        size = BINS, network.context
        self.audio = CachedBranch(
            network.spectrogram, audio, examples.spectrogram, 1.0, size, self.dtype
        )

    @torch.no_grad()
    def __call__(self, column: torch.Tensor, first_frame: torch.Tensor) -> torch.Tensor:
        """Places, float32 [shape=(n,)] px from the left edges of the snippets at `column`."""
        joined = self.score(column, column) + self.audio(first_frame, first_frame) + self.bias
        embedding = self.network.joint[1](joined.to(self.dtype))
        return self.network.places(self.head(embedding))


def play_mm_loc(
    bank: Bank,
    network: MmLoc,
    *,
    bfloat16: bool = False,
    performances: list[int] | None = None,
    label: str | None = None,
) -> list[PlayedGame]:
    """Follow every performance of a bank at once, as `follow` does one by one.

    Parameters as those of `play_games`.
    """
    examples = Examples(bank, network.context)
    places = MmLocPlaces(network, examples, bfloat16=bfloat16)
    chosen = list(range(len(bank))) if performances is None else performances
    index = torch.tensor(chosen, device=bank.device)
    first, n_steps = bank.first_frame[index], (bank.last_frame - bank.first_frame)[index]
    position = bank.start_x[index]
    width, threshold = bank.window.width, bank.window.threshold_px
    taken = torch.zeros(len(chosen), int(n_steps.max()), device=bank.device)
    n_taken = torch.zeros_like(n_steps)
    progress = Progress(label, int(n_steps.sum()), "frames") if label else None
    alive = torch.arange(len(chosen), device=bank.device)
    for step in range(taken.shape[1]):
        if not len(alive):
            break
        which, frame = index[alive], first[alive] + step + 1  # packed, of the newest excerpt
        excerpt = examples.first_frames(which, frame - EXCERPT)
        x = places(bank.columns(which, position), excerpt)
        start = (position - width / 2).to(torch.int64)
        position = dynamics.clip_position(bank, which, start + x.to(torch.float64))
        taken[alive, step] = (position - width).to(torch.float32)
        n_taken[alive] += 1
        if progress:
            progress.advance(len(alive), f"{len(alive)} games in play")
        error = position - dynamics.target(bank, which, frame)
        keep = ~dynamics.is_lost(error, threshold) & (n_steps[alive] > step + 1)
        alive, position = alive[keep], position[keep]
    if progress:
        progress.total = progress.done
        progress.close()
    rows = taken.cpu().numpy()
    return [
        judged(bank.infos[p], row[: int(n)], bank.window)
        for p, row, n in zip(chosen, rows, n_taken.tolist(), strict=True)
    ]
