"""Performances that sound otherwise than they are stored, and may be heard more than once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.following.evaluation_set import EvaluationSet
from sfpipe.following.loaded import LoadedFollower
from sfpipe.game.play import PlayedGame


@dataclass(frozen=True)
class Sounding:
    """Performances that sound otherwise, and may be heard more than once.

    Attributes
    ----------
    stores:
        Spectrogram stores: in the first all of them, in the others those that are heard again.
    described:
        How they sound, for the record.
    begins:
        For each store the frames from which its hearings count, by piece and performance.
    """

    stores: tuple[Path, ...]
    described: dict[str, Any]
    begins: tuple[Mapping[tuple[str, str], int], ...]

    @classmethod
    def as_stored(cls, spectrograms: Path) -> Sounding:
        """The performances of a store, as they are."""
        return cls((spectrograms,), {}, ({},))

    @property
    def meta(self) -> dict[str, Any]:
        """What results say of it: nothing of performances as they are."""
        return {"sounding": self.described} if self.described else {}

    def play(
        self,
        follower: LoadedFollower,
        sets: Sequence[EvaluationSet],
        trials: int,
        *,
        quiet: bool = False,
    ) -> list[PlayedGame]:
        """Play every performance; `sets` are the stores' performances."""
        games = follower.play(sets[0], trials, quiet=quiet)
        for played, begins in zip(sets[1:], self.begins[1:], strict=True):
            if not played.performances:
                continue
            heard = follower.play(played, trials, quiet=quiet)
            again = {(g.piece, g.performance, g.trial): g for g in heard}
            games = [
                joined(game, again[key], begins[key[:2]])
                if (key := (game.piece, game.performance, game.trial)) in again
                else game
                for game in games
            ]
        return games


def joined(first: PlayedGame, then: PlayedGame, frame: int) -> PlayedGame:
    """The game that is `first` before a frame of the performance, and `then` from it on.

    If `then` was lost before, it is lost there.
    """
    at = max(frame - first.start_frame - 1, 0)
    if len(first.error_px) <= at:  # lost before, or over
        return first
    last, position = then.error_px[at:], then.position_px[at:]
    if not len(last):
        target = np.interp(first.start_frame + 1 + at, first.onset_frames, first.onset_x_px)
        last = then.error_px[-1:]
        position = (target + last).astype(np.float32)
    error = np.concatenate([first.error_px[:at], last])
    reward = ((first.threshold_px - np.abs(error)) / first.threshold_px).clip(min=0)
    return replace(
        first,
        error_px=error,
        position_px=np.concatenate([first.position_px[:at], position]),
        lost=then.lost,
        reward_sum=float(reward.sum(dtype=np.float64)),
    )
