"""Chance that belongs to a game: what is drawn in it does not depend on what else is played."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import torch


class GameChances:
    """Numbers for every step of some games, each game's from a stream of its own.

    Parameters
    ----------
    seed:
        Of all.
    games:
        Piece, performance and trial of each.
    n_steps:
        Of each game, at most.
    """

    def __init__(
        self,
        seed: int,
        games: Sequence[tuple[str, str, int]],
        n_steps: Sequence[int],
        device: torch.device,
    ):
        streams = [_stream(seed, *game) for game in games]
        drawn = [stream.random(n, np.float32) for stream, n in zip(streams, n_steps, strict=True)]
        self._numbers = torch.from_numpy(np.concatenate(drawn)).to(device)
        begin = np.cumsum([0, *n_steps[:-1]])
        self._next = torch.from_numpy(begin).to(device)

    def take(self, games: torch.Tensor) -> torch.Tensor:
        """The next number of these games: float32 [shape=(n,)] in [0, 1).

        Parameters
        ----------
        games:
            int64 [shape=(n,)], indices of games that have taken equally many.
        """
        numbers = self._numbers[self._next[games]]
        self._next += 1
        return numbers


def _stream(seed: int, piece: str, performance: str, trial: int) -> np.random.Generator:
    """By the names, whatever their order in a store is."""
    name = int.from_bytes(sha256(f"{piece}/{performance}".encode()).digest(), "big")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, trial, name])))
