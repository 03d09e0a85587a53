"""What is shown of a game, frame by frame, worked out once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from sfpipe.agents.networks import ActorCritic
from sfpipe.game.dynamics import Observation, ObservationIndex, observe
from sfpipe.game.play import PlayedGame
from sfpipe.store.bank import Bank
from sfpipe.store.schema import EXCERPT


@dataclass(frozen=True)
class GameTrace:
    """One game from its first state to its last.

    Entry k of each array [shape=(T + 1,)] is the state after k steps, that of the unpadded
    performance frame ``start_frame + k``.

    Attributes
    ----------
    name:
        Who followed.
    position_px, target_px, error_px:
        float64, strip px without padding; error = position - target.
    speed_px:
        float64, px/frame moved by the step that led here; 0 in the first state.
    reward, score:
        float64, of the step that led here, and the sum of rewards so far.
    lost:
        The target was lost in the last state.
    probabilities, value:
        float32 [shape=(T + 1, 3)] and [shape=(T + 1,)] that the agent sees in each state; None for
        followers without a network.
    """

    name: str
    start_frame: int
    position_px: np.ndarray
    target_px: np.ndarray
    speed_px: np.ndarray
    reward: np.ndarray
    threshold_px: float
    lost: bool
    probabilities: np.ndarray | None = None
    value: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.position_px)

    @property
    def error_px(self) -> np.ndarray:
        """Tracking error: position - target, negative when behind."""
        return self.position_px - self.target_px

    @property
    def score(self) -> np.ndarray:
        """Sum of rewards so far."""
        return np.cumsum(self.reward)

    def at(self, frame: int) -> int:
        """The index of the state shown with an unpadded frame: waiting before, standing after."""
        return min(max(frame - self.start_frame, 0), len(self) - 1)


def trace_game(game: PlayedGame, name: str) -> GameTrace:
    """The track of a recorded game, without what a network says."""
    start = np.float64(game.onset_x_px[0])
    position = np.concatenate([[start], game.position_px.astype(np.float64)])
    frames = game.start_frame + np.arange(len(position))
    target = np.interp(frames, game.onset_frames, game.onset_x_px)
    size = np.abs(game.error_px.astype(np.float64))
    b = game.threshold_px
    reward = np.where(size > b, 0.0, (b - size) / b)
    if game.lost:
        reward[-1] = 0.0
    return GameTrace(
        name,
        game.start_frame,
        position,
        target,
        np.diff(position, prepend=position[0]),
        np.concatenate([[0.0], reward]),
        b,
        game.lost,
    )


def views(game: PlayedGame, bank: Bank, performance: int) -> ObservationIndex:
    """Where the observations of a game's states lie in the bank: four int64 [shape=(T + 1,)]."""
    start = bank.start_x[performance].cpu().reshape(1)
    moved = torch.from_numpy(game.position_px.astype(np.float64)) + bank.window.width
    position = torch.cat([start, moved]).to(bank.device)
    previous = torch.cat([position[:1], position[:-1]])
    which = torch.full((len(position),), performance, device=bank.device)
    frame = bank.frame_base[performance] + bank.first_frame[performance]
    frame = frame + torch.arange(len(position), device=bank.device)
    # A state after the last frame of the sound has nothing more to hear.
    last = bank.frame_base[performance] + bank.infos[performance].n_frames + EXCERPT
    frame = frame.clamp(max=int(last))
    return ObservationIndex(
        frame,
        torch.cat([frame[:1], frame[:-1]]),
        bank.columns(which, position),
        bank.columns(which, previous),
    )


def observations(
    game: PlayedGame, bank: Bank, performance: int, batch: int = 256
) -> Iterator[Observation]:
    """What an agent saw in a game's states, in batches of consecutive states."""
    at = views(game, bank, performance)
    for first in range(0, len(at.frame), batch):
        yield observe(bank, ObservationIndex(*(field[first : first + batch] for field in at)))


@torch.no_grad()
def read_out(
    network: ActorCritic, game: PlayedGame, bank: Bank, performance: int
) -> tuple[np.ndarray, np.ndarray]:
    """Action probabilities and values of a game's states, by a network that saw them again.

    Returns
    -------
    tuple
        float32 [shape=(T + 1, 3)] and float32 [shape=(T + 1,)].
    """
    network.eval()
    said = [network(*seen) for seen in observations(game, bank, performance)]
    probabilities = torch.cat([logits.softmax(1) for logits, _ in said])
    values = torch.cat([value for _, value in said])
    return probabilities.cpu().numpy(), values.cpu().numpy()
