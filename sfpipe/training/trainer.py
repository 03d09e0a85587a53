"""Training: phases, validation, best weights, patience and refinement, checkpoints (Table 5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch

from sfpipe.agents.cached_policy import playing
from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.policy import Actor
from sfpipe.agents.weights import RunningAverage, copy_weights
from sfpipe.errors import SfpipeError
from sfpipe.game.play import mean_error, play_games, share_of_onsets
from sfpipe.params import Schedule
from sfpipe.progress import Progress
from sfpipe.store.bank import Bank
from sfpipe.training.a2c import A2C
from sfpipe.training.checkpoint import load_checkpoint, restoring, save_checkpoint
from sfpipe.training.dagger import Dagger
from sfpipe.training.learner import Learner
from sfpipe.training.log import TrainingLog
from sfpipe.training.ppo import PPO
from sfpipe.training.pretraining import Study
from sfpipe.training.reinforce import Reinforce
from sfpipe.training.session import Clock

Result = TypeVar("Result")

LEARNERS: dict[str, type[Learner]] = {
    "reinforce": Reinforce,
    "a2c": A2C,
    "ppo": PPO,
    "dagger": Dagger,
    "study": Study,
}


@dataclass
class Course:
    """Where a training stands; saved in every checkpoint.

    Attributes
    ----------
    phase:
        Index into the trainer's phases.
    best:
        Highest share of tracked onsets on validation so far in this phase. Of two that track
        equally many, the closer one is better; a tie in both is no improvement. Of the last
        evaluation where those weights are kept.
    best_error:
        Mean tracking error there, px.
    waited:
        Evaluations since then.
    studied:
        States of study among the frames.
    seconds:
        Wall time of all runs together.
    """

    phase: int = 0
    updates: int = 0
    frames: int = 0
    studied: int = 0
    phase_frames: int = 0
    seconds: float = 0.0
    best: float = -1.0
    best_error: float = math.inf
    best_frames: int = 0
    waited: int = 0
    refined: int = 0
    evaluations: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """Trains a network through its phases: an optional warm start, then the algorithm.

    Parameters
    ----------
    network:
        Trained in place; holds the best weights at the end.
    train_bank, valid_bank:
        Performances to train on, and to choose weights and stop by.
    algo:
        ``reinforce``, ``a2c``, ``ppo`` or ``dagger``.
    checkpoint:
        File to go on from and to save to; None never saves.
    should_stop:
        Asked after every update; when it says yes, a checkpoint is saved and `run` raises.
    judge_start:
        Evaluate the weights it starts with, which training must then beat to replace.
    """

    def __init__(
        self,
        network: ActorCritic,
        train_bank: Bank,
        valid_bank: Bank,
        *,
        algo: str,
        schedule: Schedule,
        seed: int,
        bfloat16: bool = False,
        checkpoint: Path | None = None,
        checkpoint_seconds: float = 60,
        log: TrainingLog | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        judge_start: bool = False,
    ):
        self.network, self.schedule, self.seed = network, schedule, seed
        self.train_bank, self.valid_bank = train_bank, valid_bank
        self.bfloat16, self.should_stop = bfloat16, should_stop
        self.judge_start = judge_start
        self.checkpoint, self.checkpoint_seconds = checkpoint, checkpoint_seconds
        self.log = log or TrainingLog(None)
        warm = schedule.warm_start if schedule.warm_start != algo else None
        study = "study" if schedule.study.frames else None
        self.phases = [name for name in (study, warm, algo) if name]
        self.course = Course()
        self.best_weights = copy_weights(network)
        self.learner = self._make_learner()
        self.average = self._make_average()

    def run(self) -> Course:
        """Train until every phase has stopped; the network then holds the best weights.

        Raises
        ------
        SfpipeError
            If interrupted (a checkpoint is saved), or the loss is not finite.
        """
        self._resume()
        progress = Progress("train", self._planned_frames(), "frames")
        progress.start_at(self.course.frames)
        clock = Clock(
            self.course,
            save=self._save,
            checkpoint=self.checkpoint,
            every=self.checkpoint_seconds,
            should_stop=self.should_stop,
        )
        if self.judge_start and not self.course.evaluations:
            self._evaluate({})
        while self.course.phase < len(self.phases):
            figures = self._finite(self._update)
            clock.read()
            if self._to_be_judged():
                self._finite(self._evaluate, figures)
            self.learner.steer(self._progress())
            progress.advance(int(figures["frames"]), self._note(figures))
            if self._phase_over():
                self._finite(self._next_phase, figures)
            clock.tick(f"{self.course.frames:,} frames")
        progress.total = progress.done
        progress.close(f"best R_on on validation {self.course.best:.3f}")
        self.network.load_state_dict(self.best_weights)
        return self.course

    def _make_learner(self) -> Learner:
        kind = LEARNERS[self.phases[self.course.phase]]
        seed = self.seed + 1000 * self.course.phase
        return kind(self.network, self.train_bank, self.schedule, seed=seed, bfloat16=self.bfloat16)

    def _make_average(self) -> RunningAverage | None:
        """None: the present weights are judged, as always in study, whose last ones are kept."""
        span = 0 if self._studies() else self.schedule.average_frames
        return RunningAverage(self.network, span) if span else None

    def _update(self) -> dict[str, float]:
        """One update of the learner, checked and counted; its figures."""
        figures = {k: float(v) for k, v in self.learner.update().items()}
        bad = [k for k, v in figures.items() if not math.isfinite(v)]
        if bad:
            raise self._diverged(f"{bad[0]} is {figures[bad[0]]}")
        self.course.updates += 1
        self.course.frames += int(figures["frames"])
        self.course.phase_frames += int(figures["frames"])
        if self._studies():
            self.course.studied += int(figures["frames"])
        if self.average is not None:
            self.average.follow(self.network, figures["frames"])
        return figures

    def _finite(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Call `work`; from weights that are no numbers no action can be drawn."""
        try:
            return work(*arguments)
        except RuntimeError:
            if all(bool(p.isfinite().all()) for p in self.network.parameters()):
                raise
            raise self._diverged("the weights are not finite") from None

    def _diverged(self, what: str) -> SfpipeError:
        return SfpipeError(
            f"{what} after {self.course.frames:,} frames",
            remedy="lower the learning rate, or check the stores: sfpipe inspect",
        )

    def _planned_frames(self) -> int | None:
        planned = [self._limit(name) for name in self.phases]
        return None if None in planned else sum(p for p in planned if p is not None)

    def _limit(self, phase: str) -> int | None:
        s = self.schedule
        return {"study": s.study.frames, "dagger": s.dagger.frames}.get(phase, s.max_frames)

    def _progress(self) -> float:
        """Share of the present phase that is done: of its frames, or of all minutes if sooner."""
        limit, minutes = self._limit(self.phases[self.course.phase]), self.schedule.max_minutes
        done = 0.0 if limit is None else self.course.phase_frames / max(limit, 1)
        if minutes is not None:
            begin, end = self._time(self.course.phase)
            elapsed = self.course.seconds / 60 / minutes
            done = max(done, (elapsed - begin) / max(end - begin, 1e-9))
        return min(done, 1.0)

    def _time(self, phase: int) -> tuple[float, float]:
        """When a phase begins and ends, as shares of all minutes.

        Study has a share of its own, for its states cost less than frames of play; the others'
        times are as their planned frames. A phase without a limit has what is left.
        """
        study = self.schedule.study.share if self.phases[0] == "study" else 0.0
        if self.phases[phase] == "study":
            return 0.0, study
        played = [self._limit(name) for name in self.phases if name != "study"]
        if any(limit is None for limit in played):
            return study, 1.0
        total = max(sum(limit or 0 for limit in played), 1)
        at = phase - (len(self.phases) - len(played))
        before = sum(limit or 0 for limit in played[:at]) / total
        after = before + (played[at] or 0) / total
        return study + (1 - study) * before, study + (1 - study) * after

    def _studies(self) -> bool:
        return self.phases[self.course.phase] == "study"

    def _to_be_judged(self) -> bool:
        s = self.schedule
        every = s.study.evaluate_every if self._studies() else s.evaluate_every
        return self.course.updates % every == 0

    def _evaluate(self, figures: dict[str, float]) -> None:
        """R_on of the stochastic policy on validation; keep the weights if it is the best."""
        course = self.course
        network = self.network if self.average is None else self.average.network
        generator = torch.Generator(self.valid_bank.device).manual_seed(self.seed + 77)
        player = playing(Actor(network, generator, self.bfloat16), self.valid_bank)
        games = play_games(
            self.valid_bank,
            player,
            trials=self.schedule.validation_trials,
            performances=self._validation_set(),
        )
        r_on, error = share_of_onsets(games), mean_error(games)
        # How a student plays says little about what it knows: study hands on its last weights.
        better = self._studies() or (r_on, -error) > (course.best, -course.best_error)
        course.waited = 0 if better else course.waited + 1
        if better or self.schedule.keep == "last":
            course.best, course.best_error, course.best_frames = r_on, error, course.frames
            self.best_weights = copy_weights(network)
        row = {
            "phase": float(course.phase),
            "minutes": course.seconds / 60,
            "validation_r_on": r_on,
            "validation_error_px": error,
            "best_r_on": course.best,
            **{k: v for k, v in figures.items() if k != "frames"},  # of one update
        }
        course.evaluations.append({"frames": float(course.frames), **row})
        self.log.write(course.frames, row)

    def _validation_set(self) -> list[int] | None:
        wanted = self.schedule.validation_pieces
        if wanted is None or wanted >= len(self.valid_bank):
            return None
        generator = torch.Generator().manual_seed(self.seed)
        chosen = torch.randperm(len(self.valid_bank), generator=generator)[:wanted]
        return sorted(chosen.tolist())

    def _phase_over(self) -> bool:
        if self._progress() >= 1:
            return True
        course, s = self.course, self.schedule
        if course.waited < s.patience:
            return False
        if course.refined >= s.refinements:
            return True
        course.refined, course.waited = course.refined + 1, 0
        self.network.load_state_dict(self.best_weights)
        self.average = self._make_average()
        self.learner.refine(s.refinement_factor)
        return False

    def _next_phase(self, figures: dict[str, float]) -> None:
        """Judge the last weights too, load the best, and make the next phase's learner."""
        course = self.course
        if not self._to_be_judged():
            self._evaluate(figures)
        self.network.load_state_dict(self.best_weights)
        course.phase += 1
        course.phase_frames = course.waited = course.refined = 0
        # `best` is kept: the algorithm must beat its warm start to replace it.
        if course.phase < len(self.phases):
            previous, self.learner = self.learner, self._make_learner()
            self.learner.inherit(previous)
            self.average = self._make_average()

    def _note(self, figures: dict[str, float]) -> str:
        course = self.course
        phase = self.phases[min(course.phase, len(self.phases) - 1)]
        last = course.evaluations[-1]["validation_r_on"] if course.evaluations else float("nan")
        return f"{phase}, reward {figures['reward']:.3f}, R_on {last:.3f} (best {course.best:.3f})"

    def _save(self) -> None:
        if self.checkpoint is not None:
            state = {
                "course": asdict(self.course),
                "learner": self.learner.state_dict(),
                "best_weights": self.best_weights,
                "average": None if self.average is None else copy_weights(self.average.network),
            }
            save_checkpoint(self.checkpoint, state)

    def _resume(self) -> None:
        saved = load_checkpoint(self.checkpoint) if self.checkpoint else None
        if saved is None:
            return
        with restoring(self.checkpoint):
            self.course = Course(**saved["course"])
            self.best_weights = saved["best_weights"]
            self.network.load_state_dict(self.best_weights)
            if self.course.phase < len(self.phases):
                self.learner = self._make_learner()
                self.learner.load_state_dict(saved["learner"])
                self.average = self._make_average()
                if self.average is not None:
                    self.average.network.load_state_dict(saved["average"])
        self.log.rewind(self.course.evaluations)
