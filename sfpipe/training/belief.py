"""Training of an agent with a memory: cross-entropy of places, absolute error of note durations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from sfpipe.belief.network import PlaceNetwork
from sfpipe.following.belief import play_all
from sfpipe.game.play import mean_error, share_of_onsets
from sfpipe.params import BeliefFilterParams, BeliefParams
from sfpipe.store.bank import Bank
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from sfpipe.training.belief_crops import BeliefCropCutter, BeliefCrops
from sfpipe.training.distributed import ALONE, Processes
from sfpipe.training.learner import Figures, Learner, closer


class BeliefLearner(Learner[PlaceNetwork]):
    """Descends on random crops; validates averaged weights by following whole performances.

    Parameters
    ----------
    network:
        Trained in place.
    bank, scores:
        What to train on.
    validation:
        Performances to choose weights by.
    processes:
        Among which the crops are split.

    Raises
    ------
    SfpipeError
        If there are fewer crops than processes.
    """

    average_by_updates = True

    def __init__(
        self,
        network: PlaceNetwork,
        bank: Bank,
        scores: Mapping[str, ScoreRecord],
        validation: Sequence[PerformanceRecord],
        params: BeliefParams,
        *,
        seed: int,
        processes: Processes = ALONE,
    ):
        processes.require_work(params.crops, "train.belief.crops")
        self.params, self.scores, self.validation = params, scores, validation
        super().__init__(
            network,
            seed=seed,
            device=bank.device,
            learning_rate=(params.learning_rate, params.final_learning_rate),
            max_grad_norm=params.max_grad_norm,
            warmup_steps=params.warmup_steps,
            average_span=params.average_updates,
            processes=processes,
        )
        self.max_updates, self.evaluate_every = params.max_updates, params.evaluate_every
        self.keep = params.keep
        self.sampler = BeliefCropCutter(bank, scores, params)

    def make_optimiser(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Adam with decoupled weight decay."""
        return torch.optim.AdamW(
            parameters, lr=self.first_rate, weight_decay=self.params.weight_decay, fused=True
        )

    def rate_at(self, progress: float) -> float:
        """A cosine from the first to the final learning rate."""
        wave = 0.5 + 0.5 * math.cos(math.pi * min(progress, 1))
        return self.last_rate + wave * (self.first_rate - self.last_rate)

    def learn(self) -> dict[str, Any]:
        """One step on `crops` crops; `frames` counts those that have a label."""
        self.network.train()
        crops = self.sampler.sample(self.generator, self.processes.own(self.params.crops))
        place_loss, distance, duration_loss, n = losses(
            self.network, crops, self.params, self.processes
        )
        norm = self.descend(place_loss + self.params.duration_coef * duration_loss)
        return {
            "frames": n,
            "policy_loss": place_loss.detach(),
            "place_px": distance,
            "duration_loss": duration_loss.detach(),
            "gradient_norm": norm,
        }

    def validate(self) -> Figures:
        """R_on and mean error where the agent follows validation, with the filter's defaults."""
        games = play_all(self.evaluated, BeliefFilterParams(), self.scores, self.validation)
        return {"r_on": share_of_onsets(games), "error_px": mean_error(games)}

    def better(self, figures: Figures, best: Figures) -> bool:
        """As `closer`."""
        return closer(figures, best)


def losses(
    network: PlaceNetwork,
    crops: BeliefCrops,
    params: BeliefParams,
    processes: Processes = ALONE,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """What is descended on.

    Returns
    -------
    tuple
        Cross-entropy of the frames' places relative to the labels' own entropy; the median
        distance of the likeliest place, px; the mean absolute error of the log of quarter notes
        per px; how many frames count. Those count that are between the first and the last onset
        and whose target is well inside of the crop. Of crops of several processes: the same
        of all of them, but the mean of their median distances.
    """
    window, place_px = network.window, network.place_px
    places = network.encode_score(crops.strip)
    frames = network.encode_audio(crops.sound)[:, network.context - 1 :]
    logits = network.similarity(frames, places.vector)
    centre = (torch.arange(logits.shape[2], device=logits.device) + 0.5) * place_px
    off = centre - crops.target[:, :, None]
    margin = 0.25 * window.width
    inside = (crops.target > margin) & (crops.target < centre[-1] - margin)
    counts = crops.played & inside
    off, logits = off[counts], logits[counts]
    n = int(processes.total(len(off)))
    near = off.abs() <= params.search_radius * window.width
    logits = logits.masked_fill(~near, -1e4)
    std = params.label_std_px * place_px / 8
    labels = (-0.5 * (off / std) ** 2).masked_fill(~near, -1e4).softmax(1)
    place_loss = F.kl_div(logits.log_softmax(1), labels, reduction="sum") / max(n, 1)
    rate, label = places.log_quarters_per_px, crops.log_quarters_per_px
    known = label.isfinite()
    duration_loss = (rate[known] - label[known]).abs().sum() / max(
        processes.total(int(known.sum())), 1
    )
    likeliest = off.gather(1, logits.argmax(1, keepdim=True)).abs().detach()
    distance = likeliest.median() if len(off) else duration_loss.new_zeros(())
    distance = processes.mean(distance, len(off))
    return processes.whole(place_loss), distance, processes.whole(duration_loss), n
