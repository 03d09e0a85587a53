"""A follower that was loaded by name: all that evaluations, films and pages ask of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np

from sfpipe.agents.networks import ActorCritic
from sfpipe.errors import SfpipeError
from sfpipe.following.evaluation_set import EvaluationSet
from sfpipe.following.labels import agent_row
from sfpipe.game.follower import Follower, begin, follow
from sfpipe.game.play import PlayedGame
from sfpipe.progress import Progress
from sfpipe.store.reader import ScoreRecord
from sfpipe.store.window import Window


@runtime_checkable
class _Placeable(Protocol):
    """A follower that can begin anywhere, which is what has `prime`: the agents."""

    def reset(self, score: ScoreRecord, start_px: float | None = None) -> None: ...

    def prime(self, frame: np.ndarray) -> None: ...


@dataclass
class LoadedFollower:
    """Follows frame by frame (`reset`, `step`) or whole performances (`play`).

    Attributes
    ----------
    name, label:
        For file names and results, and for people: ``midi-odtw``, ``MIDI-ODTW``.
    window:
        Of the game: what an agent sees, and when the target is lost.
    make:
        Makes the follower of single frames, when it is first asked for.
    play_all:
        Plays an evaluation set so many times, quicker than one performance after the other, with
        a label for the progress line; None: there is no quicker way.
    batched:
        Whether `play_all` plays all in one batch: the last bits may depend on what is in it.
    chance:
        Whether two trials differ.
    policy:
        How an agent chooses its moves: ``stochastic``, ``argmax`` or ``planned``.
    card:
        Its `agent.json`; empty of followers that are not trained.
    network:
        That can be explained and read out; None if there is none.
    argmax:
        The same agent taking the most probable action; None where there is nothing to choose.
    anywhere:
        The same agent, free to go on anywhere in the score; None where there is none.
    trace_all:
        As `trace`, but quicker than frame by frame; None: there is no quicker way.
    """

    name: str
    label: str
    window: Window
    make: Callable[[], Follower]
    play_all: Callable[[EvaluationSet, int, str | None], list[PlayedGame]] | None = None
    batched: bool = False
    chance: bool = False
    policy: str = ""
    card: Mapping[str, Any] = field(default_factory=dict)
    network: ActorCritic | None = None
    argmax: LoadedFollower | None = None
    anywhere: LoadedFollower | None = None
    trace_all: Callable[[ScoreRecord, np.ndarray], np.ndarray] | None = None

    @property
    def row(self) -> tuple[str, str]:
        """Name and label of its row in tables of results."""
        if not self.card:
            return self.name, self.label
        return agent_row(self.name, self.card.get("algo") or "agent", self.policy)

    def play(
        self, evaluation_set: EvaluationSet, trials: int = 1, *, quiet: bool = False
    ) -> list[PlayedGame]:
        """Play every performance; without chance once, since all trials would be the same game.

        Parameters
        ----------
        quiet:
            Show no progress.

        Returns
        -------
        list of PlayedGame
            Trials of a performance together.

        Raises
        ------
        SfpipeError
            If a score cannot be followed, naming the piece.
        """
        n = trials if self.chance else 1
        if self.play_all is not None:
            return self.play_all(evaluation_set, n, None if quiet else self.label)
        total = n * len(evaluation_set.performances)
        progress = None if quiet else Progress(self.label, total, "games")
        games = []
        for performance in evaluation_set.performances:
            score = evaluation_set.scores[performance.piece]
            for trial in range(n):
                window = evaluation_set.window
                games.append(follow(self, score, performance, window, trial=trial))
                if progress:
                    progress.advance()
        if progress:
            progress.close()
        return games

    def trace(self, score: ScoreRecord, spectrogram: np.ndarray) -> np.ndarray:
        """Where it is in each frame of a sound, lost or not: float64 [shape=(n_frames,)], strip px.

        Parameters
        ----------
        spectrogram:
            float32 [shape=(78, n_frames)]; it begins with the first note that is played.
        """
        if self.trace_all is not None:
            return self.trace_all(score, spectrogram)
        frames = np.ascontiguousarray(spectrogram.T, np.float32)
        lead = begin(self, score, frames, 0)
        position = np.full(len(frames) + 1, float(score.onset_x_px[0]))
        for n in range(1, len(frames) + 1):
            heard = n - lead
            position[n] = self.step(frames[heard] if heard >= 0 else np.zeros_like(frames[0]))
        return position[:-1]

    @cached_property
    def frames(self) -> Follower:
        """The follower of single frames."""
        return self.make()

    @property
    def lead_frames(self) -> int:
        """As of `sfpipe.game.follower.Follower`."""
        return getattr(self.frames, "lead_frames", 0)

    def reset(self, score: ScoreRecord, start_px: float | None = None) -> None:
        """Read a score and wait at its first onset, or, an agent, at `start_px` of the strip.

        Raises
        ------
        SfpipeError
            If it is a baseline and shall begin elsewhere.
        """
        if start_px is None or start_px == score.onset_x_px[0]:
            self.frames.reset(score)
        elif isinstance(self.frames, _Placeable):
            self.frames.reset(score, start_px)
        else:
            raise SfpipeError(f"{self.label} begins at the first note", remedy="name an agent")

    def prime(self, frame: np.ndarray) -> None:
        """Take in a frame that sounds before the music begins."""
        if hasattr(self.frames, "prime"):
            self.frames.prime(frame)

    def step(self, frame: np.ndarray) -> float:
        """Take in one frame, float32 [shape=(78,)]; returns the position, px of the strip."""
        return self.frames.step(frame)
