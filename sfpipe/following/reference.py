"""Reference followers, which nothing is learnt for: the optimal player and constant speed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.following.evaluation_set import EvaluationSet
from sfpipe.following.loaded import LoadedFollower
from sfpipe.game.follower import Follower
from sfpipe.game.play import PlayedGame, play_games
from sfpipe.game.players import ConstantSpeed, Expert, Player
from sfpipe.store.bank import Bank
from sfpipe.store.reader import open_store
from sfpipe.store.schema import FPS, is_augmented
from sfpipe.store.window import Window


def optimal(window: Window) -> LoadedFollower:
    """The best that the game's actions allow (`Expert`)."""
    return _reference("optimal", "optimal", window, Expert)


def constant_speed(window: Window, px_per_frame: float) -> LoadedFollower:
    """Moves at the data set's mean training speed (`ConstantSpeed`), whoever is beside it."""
    return _reference(
        "constant-speed", "constant speed", window, lambda bank: ConstantSpeed(bank, px_per_frame)
    )


def training_speed(scores: Path, spectrograms: Path) -> float:
    """Mean speed of the target over the training performances, px/frame (no spectrogram is read).

    Augmented performances do not count, so that the figure is one of the data set. A data set
    without training pieces is taken as a whole.

    Raises
    ------
    SfpipeError
        If a store cannot be read.
    """
    with open_store(scores, "scores") as file:
        places = {piece: np.asarray(group["onset_x_px"]) for piece, group in file.items()}
    ways: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    with open_store(spectrograms, "spectrograms") as file:
        for piece, group in file.items():
            for name, sub in group.items() if piece in places else ():
                # A packed piece has its strip beside its performances.
                if not isinstance(sub, h5py.Group) or is_augmented(name):
                    continue
                if sub["score_onset"][()].max(initial=0) >= len(places[piece]):
                    raise SfpipeError(
                        f"{piece}/{name}: an onset points outside the score",
                        file=spectrograms,
                        remedy="make both stores again: dvc repro scores spectrograms",
                    )
                ways[group.attrs["split"] == "train"].append(_way(sub, places[piece]))
    px, frames = np.array(ways[True] or ways[False] or [(0.0, 1.0)]).sum(0)
    return float(px / frames)


def _way(performance: Any, x: np.ndarray) -> tuple[float, float]:
    """Distance in px and frames from a performance's first onset to its last."""
    onset_s, index = performance["onset_s"], performance["score_onset"]
    first, last = (int(np.floor(onset_s[i] * FPS + 1e-9)) for i in (0, -1))
    return abs(float(x[index[-1]]) - float(x[index[0]])), float(max(last - first, 1))


def _reference(
    name: str, label: str, window: Window, player: Callable[[Bank], Player]
) -> LoadedFollower:
    def frames() -> Follower:
        raise SfpipeError(f"'{name}' follows whole performances only", remedy="call its play()")

    def play_all(
        evaluation_set: EvaluationSet, trials: int, progress: str | None
    ) -> list[PlayedGame]:
        bank = evaluation_set.bank
        return play_games(bank, player(bank), trials=trials, label=progress)

    return LoadedFollower(name, label, window, frames, play_all)
