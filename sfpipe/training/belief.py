"""Training of the network: cross-entropy of places, absolute error of paces, exact resume."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from sfpipe.agents.weights import RunningAverage, copy_weights
from sfpipe.belief.network import PlaceNetwork
from sfpipe.errors import SfpipeError
from sfpipe.following.belief import play_all
from sfpipe.game.play import mean_error, share_of_onsets
from sfpipe.params import BeliefParams
from sfpipe.progress import Progress
from sfpipe.store.bank import Bank
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from sfpipe.training.belief_crops import BeliefCrops, BeliefCropSampler
from sfpipe.training.checkpoint import load_checkpoint, restoring, save_checkpoint
from sfpipe.training.log import TrainingLog
from sfpipe.training.session import Clock


@dataclass
class BeliefCourse:
    """Where a training stands; saved in every checkpoint.

    Attributes
    ----------
    frames:
        Labelled frames so far.
    best, best_error:
        Highest share of tracked onsets on validation (of the last evaluation, where those weights
        are kept), and the mean tracking error there, px.
    seconds:
        Wall time of all runs together.
    """

    updates: int = 0
    frames: int = 0
    seconds: float = 0.0
    best: float = -1.0
    best_error: float = math.inf
    best_frames: int = 0
    evaluations: list[dict[str, float]] = field(default_factory=list)


def losses(
    network: PlaceNetwork, passages: BeliefCrops, params: BeliefParams
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """What is descended on.

    Returns
    -------
    tuple
        Cross-entropy of the frames' places relative to the labels' own entropy; the median
        distance of the likeliest place, px; the mean absolute error of the log pace; how many
        frames count. Those count that are heard and whose target is well inside of the passage.
    """
    window, place_px = network.window, network.place_px
    places = network.encode_score(passages.strip)
    frames = network.encode_audio(passages.sound)[:, network.context - 1 :]
    logits = network.similarity(frames, places.vector)
    centre = (torch.arange(logits.shape[2], device=logits.device) + 0.5) * place_px
    off = centre - passages.target[:, :, None]
    margin = 0.25 * window.width
    inside = (passages.target > margin) & (passages.target < centre[-1] - margin)
    counts = passages.heard & inside
    off, logits = off[counts], logits[counts]
    n = max(len(off), 1)
    near = off.abs() <= params.reach * window.width
    logits = logits.masked_fill(~near, -1e4)
    blur = params.blur_px * place_px / 8
    labels = (-0.5 * (off / blur) ** 2).masked_fill(~near, -1e4).softmax(1)
    place_loss = F.kl_div(logits.log_softmax(1), labels, reduction="sum") / n
    known = passages.pace.isfinite()
    pace_loss = (places.pace[known] - passages.pace[known]).abs().sum() / known.sum().clamp(min=1)
    found = off.gather(1, logits.argmax(1, keepdim=True)).abs().detach()
    distance = found.median() if len(off) else pace_loss.new_zeros(())
    return place_loss, distance, pace_loss, len(off)


class BeliefTraining:
    """Descends on random passages; keeps averaged weights, the last or those best on validation.

    Parameters
    ----------
    network:
        Trained in place; holds the best weights at the end.
    bank, scores:
        What to train on.
    validation:
        Performances to choose weights by.
    checkpoint:
        File to go on from and to save to; None never saves.
    should_stop:
        Asked after every update; when it says yes, a checkpoint is saved and `run` raises.
    """

    def __init__(
        self,
        network: PlaceNetwork,
        bank: Bank,
        scores: Mapping[str, ScoreRecord],
        validation: Sequence[PerformanceRecord],
        params: BeliefParams,
        *,
        seed: int,
        checkpoint: Path | None = None,
        checkpoint_seconds: float = 60,
        log: TrainingLog | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ):
        self.network, self.params, self.scores = network, params, dict(scores)
        self.validation, self.checkpoint = list(validation), checkpoint
        self.checkpoint_seconds, self.should_stop = checkpoint_seconds, should_stop
        self.log = log or TrainingLog(None)
        self.sampler = BeliefCropSampler(bank, scores, params)
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed + 2)  # dropout can draw from no other generator
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay,
            fused=True,
        )  # fmt: skip
        self.average = RunningAverage(network, params.average_updates)
        self.course = BeliefCourse()
        self.best_weights = copy_weights(network)

    def run(self) -> BeliefCourse:
        """Train until the updates or the minutes are over; the network then has the kept weights.

        Raises
        ------
        SfpipeError
            If interrupted (a checkpoint is saved), or the loss is not finite.
        """
        self._resume()
        course, p = self.course, self.params
        progress = Progress("belief", p.updates, "updates")
        progress.start_at(course.updates)
        clock = Clock(
            course,
            save=self._save,
            checkpoint=self.checkpoint,
            every=self.checkpoint_seconds,
            should_stop=self.should_stop,
        )
        while self._progress() < 1:
            figures = self.update()
            clock.read()
            if course.updates % p.evaluate_every == 0 or self._progress() >= 1:
                self._evaluate(figures)
                clock.read()
            progress.advance(
                1,
                f"place {figures['policy_loss']:.3f}, {figures['match_px']:.0f} px,"
                f" pace {figures['pace_loss']:.3f}, R_on (best) {course.best:.3f}",
            )
            clock.tick(f"{course.updates:,} updates")
        progress.total = progress.done
        progress.close(f"R_on {course.best:.3f}, {course.best_error:.1f} px")
        self.network.load_state_dict(self.best_weights)
        return course

    def update(self) -> dict[str, float]:
        """One step.

        Raises
        ------
        SfpipeError
            If the loss is not finite.
        """
        p = self.params
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        self.network.train()
        place_loss, distance, pace_loss, n = losses(
            self.network, self.sampler.draw(self.generator), p
        )
        loss = place_loss + p.pace_loss * pace_loss
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), p.max_grad_norm)
        self.optimiser.step()
        self.average.follow(self.network, 1)
        self.course.updates += 1
        self.course.frames += n
        if not math.isfinite(float(loss.detach())):
            raise SfpipeError(
                f"the loss is {float(loss.detach())} after {self.course.updates:,} updates",
                remedy="lower train.belief.learning_rate, or check the stores: sfpipe inspect",
            )
        return {
            "policy_loss": float(place_loss.detach()),
            "match_px": float(distance),
            "pace_loss": float(pace_loss.detach()),
        }

    def _progress(self) -> float:
        p = self.params
        done = self.course.updates / p.updates
        if p.max_minutes is not None:
            done = max(done, self.course.seconds / 60 / p.max_minutes)
        return done

    def _rate(self) -> float:
        """A cosine from the first to the final learning rate, after the warm-up."""
        p = self.params
        wave = 0.5 + 0.5 * math.cos(math.pi * min(self._progress(), 1))
        rate = p.final_learning_rate + wave * (p.learning_rate - p.final_learning_rate)
        return rate * min(1.0, (self.course.updates + 1) / max(p.warm_up, 1))

    def _evaluate(self, figures: dict[str, float]) -> None:
        course, network = self.course, self.average.network
        games = play_all(network, self.params.filter, self.scores, self.validation)
        r_on, error = share_of_onsets(games), mean_error(games)
        better = (r_on, -error) > (course.best, -course.best_error)
        if better or self.params.keep == "last":
            course.best, course.best_error, course.best_frames = r_on, error, course.frames
            self.best_weights = copy_weights(network)
        row = {
            "minutes": course.seconds / 60,
            "validation_r_on": r_on,
            "validation_error_px": error,
            "best_r_on": course.best,
            **figures,
        }
        course.evaluations.append({"frames": float(course.frames), **row})
        self.log.write(course.frames, row)

    def _save(self) -> None:
        if self.checkpoint is None:
            return
        state: dict[str, Any] = {
            "course": asdict(self.course),
            "network": self.network.state_dict(),
            "average": copy_weights(self.average.network),
            "best_weights": self.best_weights,
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "torch": torch.get_rng_state(),
        }
        save_checkpoint(self.checkpoint, state)

    def _resume(self) -> None:
        saved = load_checkpoint(self.checkpoint) if self.checkpoint else None
        if saved is None:
            return
        with restoring(self.checkpoint):
            self.course = BeliefCourse(**saved["course"])
            self.network.load_state_dict(saved["network"])
            self.average.network.load_state_dict(saved["average"])
            self.best_weights = saved["best_weights"]
            self.optimiser.load_state_dict(saved["optimiser"])
            self.generator.set_state(saved["generator"])
            torch.set_rng_state(saved["torch"])
        self.log.rewind(self.course.evaluations)
