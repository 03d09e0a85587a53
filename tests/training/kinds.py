"""A small training of each kind, on hand-made pieces; run as a program, one that can be killed."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch

from sfpipe.agents.networks import ActorCritic
from sfpipe.baselines.mm_loc import MmLoc
from sfpipe.belief.network import PlaceNetwork
from sfpipe.params import BeliefParams, MmLocParams, StoppingRule, TrainParams
from sfpipe.store.bank import Bank
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from sfpipe.training.belief import BeliefLearner
from sfpipe.training.distributed import ALONE
from sfpipe.training.mm_loc import MmLocLearner
from sfpipe.training.stage import playing_phases
from sfpipe.training.trainer import Trainer
from tests.toy import NOTTINGHAM, TinyNetwork, performance_record, ramp_bank, score_record

KINDS = ("reinforce", "a2c", "ppo", "dagger", "pretraining", "belief", "mm-loc")
GAMES = {"num_envs": 3, "learning_rate": 3e-3, "max_frames": 150}
ROLLOUTS = GAMES | {"num_steps": 8}
SMALL = {
    "common": {"evaluate_every": 2, "average_frames": 50, "dropout": 0.2},
    "reinforce": GAMES | {"num_envs": 1},
    "a2c": ROLLOUTS,
    "ppo": ROLLOUTS | {"update_epochs": 2, "minibatch_size": 7, "start_inside": 0.5},
    "dagger": ROLLOUTS | {"minibatch_size": 7, "beta_frames": 60, "transcription_coef": 0.0},
    "pretraining": {
        "max_frames": 400,
        "crops": 2,
        "windows": 3,
        "excerpts": 4,
        "evaluate_every": 3,
    },
}
BELIEF = {
    "max_updates": 6,
    "crops": 2,
    "frames": 24,
    "places": 96,
    "evaluate_every": 3,
    "average_updates": 4,
    "warmup_steps": 2,
}
MM_LOC = {
    "device": "cpu",
    "precision": "float32",
    "crops": 2,
    "windows": 3,
    "excerpts": 4,
    "validation_examples": 16,
    "evaluate_every": 2,
    "max_updates": 5,
    "buckets": 10,
}


def uneven_piece() -> tuple[dict[str, ScoreRecord], list[PerformanceRecord]]:
    """A strip of noise, every place of which sounds in its own way, played unevenly."""
    x = np.arange(20.0, 560.0, 12.0)
    score = score_record("a", list(x), width=600)
    rng = np.random.default_rng(5)
    seconds = np.cumsum(rng.uniform(0.3, 0.6, len(x)))
    frames = int(seconds[-1] * 20) + 20
    sounds = rng.random((len(x), 78)).astype(np.float32) ** 4
    sounding = np.clip(np.searchsorted(seconds, np.arange(frames) / 20, side="right") - 1, 0, None)
    spectrogram, onsets = sounds[sounding].T.copy(), np.arange(len(x), dtype=np.int32)
    record = PerformanceRecord("a", "p", "train", spectrogram, seconds, onsets, 1.0, "")
    return {"a": score}, [record]


def belief_trainer(seed: int = 3, rule: StoppingRule | None = None, **changes) -> Trainer:
    """A training of an agent with a memory; changes of its parameters, or options of `Trainer`."""
    params = BeliefParams(
        **BELIEF | {k: changes.pop(k) for k in list(changes) if k in BeliefParams.model_fields}
    )
    scores, records = uneven_piece()
    torch.manual_seed(seed)
    network = PlaceNetwork(NOTTINGHAM, dropout=params.dropout)
    bank = Bank(scores, records, NOTTINGHAM)
    processes = changes.pop("processes", ALONE)
    phase = partial(
        BeliefLearner, network, bank, scores, records, params, seed=seed, processes=processes
    )
    return Trainer({"belief": phase}, rule or StoppingRule(), **changes)


def mm_loc_trainer(seed: int = 3, data: Bank | None = None, **changes) -> Trainer:
    """A training of MM-Loc; changes of its parameters, or options of `Trainer`."""
    params = MmLocParams(
        **MM_LOC | {k: changes.pop(k) for k in list(changes) if k in MmLocParams.model_fields}
    )
    score, heard = score_record("a", [20, 140], width=300), [0.2, 3.2]
    bank = data or Bank({"a": score}, [performance_record("a", heard, frames=70)], NOTTINGHAM)
    network = MmLoc(NOTTINGHAM, buckets=params.buckets, dropout=params.dropout)
    network.initialise(torch.Generator().manual_seed(seed)).placed("cpu")
    phase = partial(MmLocLearner, network, bank, bank, params, seed=seed)
    seconds = params.checkpoint_seconds
    return Trainer({"mm-loc": phase}, params, checkpoint_seconds=seconds, **changes)


def trainer(kind: str, **options) -> Trainer:
    """A training of some kind of half a dozen updates, with dropout and averaged weights."""
    if kind == "belief":
        return belief_trainer(**options)
    if kind == "mm-loc":
        return mm_loc_trainer(**options)
    params = TrainParams(preset="paper", **SMALL)
    if kind == "pretraining":
        bank = ramp_bank(3, NOTTINGHAM)
        network = ActorCritic(NOTTINGHAM).initialise(torch.Generator().manual_seed(0))
    else:
        bank, network = ramp_bank(), TinyNetwork(3)
    processes = options.pop("processes", ALONE)
    phases = playing_phases([kind], network, bank, bank, params, seed=3, processes=processes)
    return Trainer(phases, params.common, **options)


if __name__ == "__main__":  # KIND CHECKPOINT THREADS UPDATES: says so after UPDATES, then waits
    kind, file, threads, updates = sys.argv[1:]
    torch.set_num_threads(int(threads))
    updated: list[int] = []

    def after_update() -> bool:
        """Called once the checkpoint of the update before is written."""
        updated.append(1)
        if len(updated) > int(updates):
            print("ready", flush=True)
            sys.stdin.read()
        return False

    trainer(kind, checkpoint=Path(file), checkpoint_seconds=0, should_stop=after_update).run()
