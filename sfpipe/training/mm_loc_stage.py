"""`sfpipe baseline mm-loc --train`: both stores -> weights and `mm-loc.json`."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sfpipe.agents.weights import WEIGHTS
from sfpipe.baselines.mm_loc import CARD, MmLoc, save_mm_loc
from sfpipe.files import read_json
from sfpipe.following.mm_loc import play_mm_loc
from sfpipe.game.play import share_of_onsets
from sfpipe.params import MmLocParams
from sfpipe.store.reader import dataset_of, describe
from sfpipe.training.mm_loc import MmLocLearner
from sfpipe.training.session import data_hashes, open_session, run_training
from sfpipe.training.trainer import TrainerState


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
            card = read_json(out / CARD, remedy="train it again: sfpipe baseline mm-loc --train")
            if isinstance(card, dict) and identity.items() <= card.items():
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
