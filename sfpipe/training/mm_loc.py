"""Training of MM-Loc: supervised, early stopping on validation, exact resume."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from sfpipe.agents.weights import copy_weights
from sfpipe.baselines.mm_loc import MmLoc
from sfpipe.baselines.mm_loc_examples import Drawn, Examples
from sfpipe.errors import SfpipeError
from sfpipe.params import MmLocParams
from sfpipe.progress import Progress
from sfpipe.store.bank import Bank
from sfpipe.training.checkpoint import load_checkpoint, restoring, save_checkpoint
from sfpipe.training.mm_loc_crops import MmLocPassages
from sfpipe.training.session import Clock


@dataclass
class MmLocCourse:
    """Where a training stands; saved in every checkpoint.

    Attributes
    ----------
    best:
        Least validation loss so far (nats above that of the soft targets themselves).
    best_error_px:
        Median distance of the estimates from the target, of the best weights.
    waited:
        Evaluations since then.
    seconds:
        Wall time of all runs together.
    """

    updates: int = 0
    examples: int = 0
    seconds: float = 0.0
    best: float = math.inf
    best_error_px: float = math.inf
    best_updates: int = 0
    waited: int = 0
    refined: int = 0
    over: bool = False


class MmLocTraining:
    """Cross-entropy on passages, until validation on random examples improves no more.

    Parameters
    ----------
    network:
        Trained in place; holds the best weights at the end.
    train_bank, valid_bank:
        Performances to train on, and to choose weights and stop by.
    seed:
        Of examples and dropout; the global generator is seeded with it too, since dropout can
        draw from no other.
    checkpoint:
        File to go on from and to save to; None never saves.
    should_stop:
        Asked after every update; when it says yes, a checkpoint is saved and `run` raises.
    """

    def __init__(
        self,
        network: MmLoc,
        train_bank: Bank,
        valid_bank: Bank,
        params: MmLocParams,
        *,
        seed: int,
        bfloat16: bool = False,
        checkpoint: Path | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ):
        self.network, self.params, self.bfloat16 = network, params, bfloat16
        self.checkpoint, self.should_stop = checkpoint, should_stop
        self.device = train_bank.device
        self.train_examples = Examples(train_bank, network.context)
        self.valid_examples = Examples(valid_bank, network.context)
        generator = torch.Generator(self.device).manual_seed(seed + 1)
        self.valid_drawn = self.valid_examples.draw(params.validation_examples, generator)
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed + 2)
        self.passages = MmLocPassages(network, self.train_examples, params)
        trained = [*network.parameters(), *self.passages.parameters()]
        self.optimiser = torch.optim.Adam(trained, lr=params.learning_rate, fused=True)
        self.course = MmLocCourse()
        self.best_weights = copy_weights(network)

    def run(self) -> MmLocCourse:
        """Train until it is over; the network then holds the best weights.

        Raises
        ------
        SfpipeError
            If interrupted (a checkpoint is saved), or the loss is not finite.
        """
        self._resume()
        course, p = self.course, self.params
        progress = Progress("mm-loc", None, "examples")
        progress.start_at(course.examples)
        clock = Clock(
            course,
            save=self._save,
            checkpoint=self.checkpoint,
            every=p.checkpoint_seconds,
            should_stop=self.should_stop,
        )
        while not course.over:
            done = course.examples
            loss = self.update()
            clock.read()
            if course.updates % p.evaluate_every == 0:
                self._evaluate()
            self._end_if_due()
            progress.advance(
                course.examples - done, f"loss {loss:.3f}, validation {course.best:.3f}"
            )
            clock.tick(f"{course.examples:,} examples")
        progress.total = progress.done
        progress.close(f"validation {course.best:.3f}, median error {course.best_error_px:.1f} px")
        self.network.load_state_dict(self.best_weights)
        return course

    def update(self) -> float:
        """One optimiser step on random examples; returns the loss.

        Raises
        ------
        SfpipeError
            If the loss is not finite.
        """
        self.network.train()
        loss, n = self.passages.loss(self.generator, bfloat16=self.bfloat16)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.params.max_grad_norm)
        self.optimiser.step()
        self.course.updates += 1
        self.course.examples += n
        value = float(loss.detach())
        if not math.isfinite(value):
            raise SfpipeError(
                f"the loss is {value} after {self.course.examples:,} examples",
                remedy="lower baselines.mm_loc.learning_rate, or check the stores: sfpipe inspect",
            )
        return value

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Loss and median distance in px on examples of validation, the same every time."""
        self.network.eval()
        loss, distances = 0.0, []
        n = len(self.valid_drawn.x)
        for at in range(0, n, 256):
            drawn = Drawn(*(field[at : at + 256] for field in self.valid_drawn))
            part, logits = self._loss(self.valid_examples, drawn)
            loss += float(part) * len(drawn.x) / n
            distances.append((self.network.places(logits) - drawn.x).abs())
        return loss, float(torch.cat(distances).median())

    def _loss(self, examples: Examples, drawn: Drawn) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross-entropy minus the soft targets' own entropy, and the logits."""
        score, sound = examples.look(drawn.column, drawn.first_frame, bfloat16=self.bfloat16)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits = self.network(score, sound)
        labels = self.network.labels(drawn.x)
        return F.kl_div(logits.log_softmax(1), labels, reduction="batchmean"), logits

    def _evaluate(self) -> None:
        """Keep the weights if they are the best; refine after long enough without progress."""
        course, p = self.course, self.params
        loss, error = self.validate()
        if loss < course.best:
            course.best, course.best_error_px = loss, error
            course.best_updates, course.waited = course.updates, 0
            self.best_weights = copy_weights(self.network)
            return
        course.waited += 1
        if course.waited < p.patience:
            return
        if course.refined >= p.refinements:
            course.over = True
            return
        course.refined, course.waited = course.refined + 1, 0
        self.network.load_state_dict(self.best_weights)
        for group in self.optimiser.param_groups:
            group["lr"] *= p.refinement_factor

    def _end_if_due(self) -> None:
        course, p = self.course, self.params
        if not course.over and (
            (p.max_updates is not None and course.updates >= p.max_updates)
            or (p.max_minutes is not None and course.seconds >= 60 * p.max_minutes)
        ):
            if course.updates % p.evaluate_every:
                self._evaluate()
            course.over = True

    def _save(self) -> None:
        if self.checkpoint is None:
            return
        state: dict[str, Any] = {
            "course": asdict(self.course),
            "network": self.network.state_dict(),
            "passages": self.passages.state_dict(),
            "best_weights": self.best_weights,
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "torch": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        save_checkpoint(self.checkpoint, state)

    def _resume(self) -> None:
        saved = load_checkpoint(self.checkpoint) if self.checkpoint else None
        if saved is None:
            return
        with restoring(self.checkpoint):
            self.course = MmLocCourse(**saved["course"])
            self.network.load_state_dict(saved["network"])
            self.passages.load_state_dict(saved["passages"])
            self.best_weights = saved["best_weights"]
            self.optimiser.load_state_dict(saved["optimiser"])
            self.generator.set_state(saved["generator"])
            torch.set_rng_state(saved["torch"])
            if "cuda" in saved and self.device.type == "cuda":
                torch.cuda.set_rng_state(saved["cuda"], self.device)
