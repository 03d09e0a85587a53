"""`sfpipe baseline mm-loc --train`: both stores -> weights and `mm-loc.json`.

Supervised on crops, validated on random examples.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from sfpipe.agents.weights import WEIGHTS
from sfpipe.baselines.mm_loc import CARD, MmLoc, save_mm_loc
from sfpipe.baselines.mm_loc_examples import Examples
from sfpipe.files import read_json
from sfpipe.following.mm_loc import play_mm_loc
from sfpipe.game.play import share_of_onsets
from sfpipe.params import MmLocParams
from sfpipe.store.bank import Bank
from sfpipe.store.reader import dataset_of, describe
from sfpipe.training.learner import Figures, Learner
from sfpipe.training.mm_loc_crops import ExampleIndex, MmLocCrops, random_examples
from sfpipe.training.session import data_hashes, open_session, run_training
from sfpipe.training.trainer import TrainerState


class MmLocLearner(Learner[MmLoc]):
    """Cross-entropy of the place on all examples of a few crops; made as `PlayingLearner` is."""

    unit = "examples"

    def __init__(
        self,
        network: MmLoc,
        bank: Bank,
        valid_bank: Bank,
        params: MmLocParams,
        *,
        seed: int,
        bfloat16: bool = False,
    ):
        self.params, self.bfloat16 = params, bfloat16
        super().__init__(
            network,
            seed=seed,
            device=bank.device,
            learning_rate=(params.learning_rate, params.learning_rate),
            max_grad_norm=params.max_grad_norm,
        )
        self.max_updates, self.evaluate_every = params.max_updates, params.evaluate_every
        self.valid_examples = Examples(valid_bank, network.context)
        self.valid_index = random_examples(
            self.valid_examples, params.validation_examples, torch.Generator().manual_seed(seed + 1)
        )
        self.crops = MmLocCrops(network, Examples(bank, network.context), params)
        self.train_beside(crops=self.crops)

    def learn(self) -> dict[str, Any]:
        """One optimiser step on fresh crops; `frames` counts their examples."""
        self.network.train()
        loss, n = self.crops.loss(self.generator, bfloat16=self.bfloat16)
        norm = self.descend(loss)
        return {"frames": n, "policy_loss": loss.detach(), "gradient_norm": norm}

    @torch.no_grad()
    def validate(self) -> Figures:
        """Loss (nats above that of the soft targets themselves) and median distance, px."""
        network = self.evaluated.eval()
        loss, distances = 0.0, []
        n = len(self.valid_index.x)
        for at in range(0, n, 256):
            some = ExampleIndex(*(field[at : at + 256] for field in self.valid_index))
            images = self.valid_examples.images(
                some.column, some.first_frame, bfloat16=self.bfloat16
            )
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
                logits = network(*images)
            labels = network.labels(some.x)
            part = F.kl_div(logits.log_softmax(1), labels, reduction="batchmean")
            loss += float(part) * len(some.x) / n
            distances.append((network.places(logits) - some.x).abs())
        return {"loss": loss, "error_px": float(torch.cat(distances).median())}

    def better(self, figures: Figures, best: Figures) -> bool:
        """The lower validation loss."""
        return not best or figures["loss"] < best["loss"]


def train_mm_loc(
    params: MmLocParams,
    scores: Path,
    spectrograms: Path,
    out: Path,
    *,
    seed: int,
    checkpoints: Path | None = None,
) -> TrainerState:
    """Train MM-Loc as `sfpipe.training.stage.train` trains agents; `mm-loc.json` is its card."""
    session = open_session(params, scores, spectrograms)
    identity = _identity(params, scores, spectrograms, seed)
    network = MmLoc(session.window, buckets=params.buckets, dropout=params.dropout)
    network.initialise(torch.Generator().manual_seed(seed)).placed(session.device)
    phases = {
        "mm-loc": partial(
            MmLocLearner,
            network,
            session.train_bank,
            session.valid_bank,
            params,
            seed=seed,
            bfloat16=session.bfloat16,
        )
    }

    def save(state: TrainerState) -> None:
        games = play_mm_loc(session.valid_bank, network.eval(), bfloat16=session.bfloat16)
        card = {
            **identity,
            "context_frames": network.context,
            "validation_r_on": share_of_onsets(games),
            "state": asdict(state),
            "hours": state.seconds / 3600,
            **session.facts(),
        }
        save_mm_loc(out, network, card)

    return run_training(
        phases,
        params,
        identity,
        checkpoints,
        save=save,
        checkpoint_seconds=params.checkpoint_seconds,
    )


def ready_mm_loc(
    params: MmLocParams,
    scores: Path,
    spectrograms: Path,
    out: Path,
    *,
    again: bool = False,
    seed: int,
    checkpoints: Path | None = None,
) -> bool:
    """Train MM-Loc if `out` holds none for these parameters and stores; says whether it did.

    Stores without a training split, such as recordings, are followed with what there is.

    Parameters
    ----------
    again:
        Train whatever is there.

    Raises
    ------
    SfpipeError
        As `train_mm_loc`.
    """
    if not again:
        if "train" not in describe(scores)["splits"]:
            return False
        dataset_of(spectrograms)  # which says what to do if there is no such store
        identity = _identity(params, scores, spectrograms, seed)
        if (out / CARD).exists() and (out / WEIGHTS).exists():
            remedy = "train it again: sfpipe baseline mm-loc --train"
            card = read_json(out / CARD, remedy=remedy, schema=dict[str, Any])
            if identity.items() <= card.items():
                return False
    train_mm_loc(params, scores, spectrograms, out, seed=seed, checkpoints=checkpoints)
    return True


def _identity(params: MmLocParams, scores: Path, spectrograms: Path, seed: int) -> dict[str, Any]:
    """What decides which weights come out: kept in the card, names the checkpoint."""
    return {
        "baseline": "mm-loc",
        "seed": seed,
        "params": params.model_dump(exclude={"device", "threads", "checkpoint_seconds"}),
        "data": data_hashes(scores, spectrograms),
    }
