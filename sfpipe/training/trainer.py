"""The one trainer: phases, validation, best weights, patience, exact resume."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sfpipe.agents.weights import copy_weights
from sfpipe.errors import SfpipeError
from sfpipe.params.train import StoppingRule
from sfpipe.progress import Progress
from sfpipe.training.checkpoint import load_checkpoint, restoring, save_checkpoint
from sfpipe.training.learner import Figures, Learner
from sfpipe.training.log import TrainingLog

Result = TypeVar("Result")
Phases = Mapping[str, Callable[[], Learner[Any]]]


@dataclass
class TrainerState:
    """Where a training stands; saved in every checkpoint.

    Attributes
    ----------
    phase:
        Index into the trainer's phases.
    updates, frames:
        So far, in all phases.
    pretraining_frames:
        States of pretraining among the frames.
    phase_updates, phase_frames:
        In this phase.
    seconds:
        Wall time of all runs together.
    best:
        Figures of the best validation so far (of the last one, where those weights are kept).
    best_frames:
        Frames then.
    epochs_since_best:
        Validations since then, in this phase.
    lr_reductions:
        How often the learning rate was reduced in this phase.
    evaluations:
        One row per validation.
    """

    phase: int = 0
    updates: int = 0
    frames: int = 0
    pretraining_frames: int = 0
    phase_updates: int = 0
    phase_frames: int = 0
    seconds: float = 0.0
    best: Figures = field(default_factory=dict)
    best_frames: int = 0
    epochs_since_best: int = 0
    lr_reductions: int = 0
    evaluations: list[Figures] = field(default_factory=list)


class Trainer:
    """Trains a network through its phases, e.g. pretraining, imitation, then PPO.

    Parameters
    ----------
    phases:
        By name, what makes each phase's learner; all learners share one network, which holds the
        kept weights at the end.
    rule:
        When to stop.
    shares:
        Shares of `rule.max_minutes`: when each phase ends, if that is sooner than its frames.
    checkpoint:
        File to go on from and to save to; None never saves.
    checkpoint_seconds:
        Between two savings.
    should_stop:
        Asked after every update; when it says yes, a checkpoint is saved and `run` raises.
    validate_first:
        Validate the weights it starts with, which training must then beat to replace.
    """

    def __init__(
        self,
        phases: Phases,
        rule: StoppingRule,
        *,
        shares: Mapping[str, float] | None = None,
        checkpoint: Path | None = None,
        checkpoint_seconds: float = 60,
        log: TrainingLog | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        validate_first: bool = False,
    ):
        self.phases, self.rule, self.shares = phases, rule, shares or {}
        self.names = list(phases)
        self.checkpoint, self.checkpoint_seconds = checkpoint, checkpoint_seconds
        self.log, self.should_stop = log or TrainingLog(None), should_stop
        self.validate_first = validate_first
        self.state = TrainerState()
        self.learner = phases[self.names[0]]()
        self.network = self.learner.network
        self.processes = self.learner.processes
        self.best_weights = copy_weights(self.network)

    def run(self) -> TrainerState:
        """Train until every phase has stopped; the network then holds the kept weights.

        Raises
        ------
        SfpipeError
            If interrupted (a checkpoint is saved), or something is not finite.
        """
        self._resume()
        self._start = time.monotonic() - self.state.seconds
        self._saved = time.monotonic()
        if self.validate_first and not self.state.evaluations:
            self._validate({})
        while self.state.phase < len(self.names):
            self._run_phase()
        self.network.load_state_dict(self.best_weights)
        return self.state

    def _run_phase(self) -> None:
        state, name = self.state, self.names[self.state.phase]
        limit = self.learner.max_updates or self.learner.max_frames
        unit = "updates" if self.learner.max_updates else self.learner.unit
        progress = Progress(name, limit, unit)
        if not self.processes.first:
            progress = Progress(name, limit, unit, every=math.inf, stream=io.StringIO())
        progress.start_at(
            state.phase_updates if self.learner.max_updates else state.phase_frames, self._done()
        )
        over = False
        while not over:
            figures = self._finite(self._update)
            self._read_clock()
            if self._validation_due():
                self._finite(self._validate, figures)
                self._read_clock()
            done = self._done()
            self.learner.set_progress(done)
            n = 1 if self.learner.max_updates else int(figures["frames"])
            progress.advance(n, self._note(figures), done)
            over = done >= 1 or self._out_of_patience()
            if over:
                self._finite(self._next_phase, figures)
            self._save_if_due()
        progress.close(self._figures(state.best))

    def _update(self) -> Figures:
        """One update of the learner, checked and counted; its figures."""
        figures = {k: float(v) for k, v in self.learner.update().items()}
        bad = [k for k, v in figures.items() if not math.isfinite(v)]
        if bad:
            raise self._diverged(f"{bad[0]} is {figures[bad[0]]}")
        state, n = self.state, int(figures["frames"])
        state.updates += 1
        state.phase_updates += 1
        state.frames += n
        state.phase_frames += n
        if self.names[state.phase] == "pretraining":
            state.pretraining_frames += n
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
            f"{what} after {self.state.frames:,} {self.learner.unit}",
            remedy="lower the learning rate, or check the stores: sfpipe inspect",
        )

    def _done(self) -> float:
        """Share of the present phase that is done: of its limit, or of its minutes if sooner."""
        state, learner = self.state, self.learner
        done = 0.0
        if learner.max_frames is not None:
            done = state.phase_frames / max(learner.max_frames, 1)
        if learner.max_updates is not None:
            done = max(done, state.phase_updates / learner.max_updates)
        if self.rule.max_minutes is not None:
            begin = self.shares.get(self.names[state.phase - 1], 0.0) if state.phase else 0.0
            end = self.shares.get(self.names[state.phase], 1.0)
            elapsed = state.seconds / 60 / self.rule.max_minutes
            done = max(done, (elapsed - begin) / max(end - begin, 1e-9))
        return min(done, 1.0)

    def _validation_due(self) -> bool:
        return self.state.updates % self.learner.evaluate_every == 0

    def _validate(self, figures: Figures) -> None:
        """Validate the learner's weights; keep them if they are the best, or the last are kept."""
        state, learner = self.state, self.learner
        result = self.processes.agree(learner.validate)
        better = learner.better(result, state.best)
        state.epochs_since_best = 0 if better else state.epochs_since_best + 1
        if better or learner.keep == "last":
            state.best, state.best_frames = result, state.frames
            self.best_weights = copy_weights(learner.evaluated)
        row = {
            "phase": float(state.phase),
            "minutes": state.seconds / 60,
            **{f"validation_{k}": v for k, v in result.items()},
            **{f"best_{k}": v for k, v in state.best.items()},
            **{k: v for k, v in figures.items() if k != "frames"},  # of one update
        }
        state.evaluations.append({"frames": float(state.frames), **row})
        self.log.write(state.frames, row)

    def _out_of_patience(self) -> bool:
        """Whether to stop; if not yet for good, go on from the best weights at a lower rate."""
        state, rule = self.state, self.rule
        if state.epochs_since_best < rule.patience:
            return False
        if state.lr_reductions >= rule.lr_reductions:
            return True
        state.lr_reductions, state.epochs_since_best = state.lr_reductions + 1, 0
        self.learner.refine(self.best_weights, rule.lr_reduction_factor)
        return False

    def _next_phase(self, figures: Figures) -> None:
        """Validate the last weights too, load those kept, and make the next phase's learner."""
        state = self.state
        if not self._validation_due():
            self._validate(figures)
        self.network.load_state_dict(self.best_weights)
        state.phase += 1
        state.phase_updates = state.phase_frames = 0
        state.epochs_since_best = state.lr_reductions = 0
        # `best` stays: the algorithm must beat its warm start to replace it.
        if state.phase < len(self.names):
            previous, self.learner = self.learner, self.phases[self.names[state.phase]]()
            self.learner.inherit(previous)

    def _note(self, figures: Figures) -> str:
        rows = self.state.evaluations
        best = self._figures(self.state.best) if rows else "not validated yet"
        return f"{self.learner.note(figures)}, best {best}"

    def _figures(self, figures: Figures) -> str:
        return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())

    def _read_clock(self) -> None:
        """Write the time of all runs so far into the state, the same in all processes."""
        self.state.seconds = self.processes.largest(time.monotonic() - self._start)

    def _save_if_due(self) -> None:
        """Save if it is time to, or the training is to stop.

        Raises
        ------
        SfpipeError
            If the training is to stop, once it is saved.
        """
        stop = bool(self.processes.largest(self.should_stop()))
        if stop or time.monotonic() - self._saved > self.checkpoint_seconds:
            self._saved = time.monotonic()
            self.state.seconds = time.monotonic() - self._start
            self._save()
        if stop:
            raise SfpipeError(
                f"training interrupted after {self.state.frames:,} {self.learner.unit}",
                file=self.checkpoint,
                remedy="run the same command again to go on",
            )

    def _save(self) -> None:
        if self.checkpoint is not None and self.processes.first:
            state = {
                "state": asdict(self.state),
                "learner": self.learner.state_dict(),
                "best_weights": self.best_weights,
            }
            save_checkpoint(self.checkpoint, state)

    def _resume(self) -> None:
        file = self.checkpoint
        saved = self.processes.agree(lambda: load_checkpoint(file) if file else None)
        if saved is None:
            return
        with restoring(self.checkpoint):
            self.state = TrainerState(**saved["state"])
            self.best_weights = saved["best_weights"]
            self.network.load_state_dict(self.best_weights)
            if self.state.phase < len(self.names):
                if self.state.phase:
                    self.learner = self.phases[self.names[self.state.phase]]()
                self.learner.load_state_dict(saved["learner"])
        self.log.rewind(self.state.evaluations)
