"""What any training needs around it: machine and data, signals, and the facts for its card."""

from __future__ import annotations

import signal
import subprocess
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch

from sfpipe import __version__
from sfpipe.agents.hardware import choose_bfloat16, choose_device, keep_memory
from sfpipe.files import sha256
from sfpipe.params import MachineParams, StoppingRule
from sfpipe.store.bank import Bank, bank_of
from sfpipe.store.cached_bank import CachedBank
from sfpipe.store.reader import (
    PerformanceRecord,
    ScoreRecord,
    augmentation,
    dataset_of,
    strip_height,
)
from sfpipe.store.records import StorePair, load_all_records
from sfpipe.store.schema import is_augmented
from sfpipe.store.stored import Outlines, StoredRecords
from sfpipe.store.window import Window, window_by_name, window_for
from sfpipe.training.checkpoint import hash_identity, remove_checkpoint
from sfpipe.training.distributed import ALONE, Processes
from sfpipe.training.trainer import Phases, Trainer, TrainerState


@dataclass(frozen=True)
class Session:
    """Where a training computes, and what it learns from and is validated on.

    Attributes
    ----------
    scores:
        By piece; if those to train on are too many for memory, without their pixels.
    validation:
        The performances of `valid_bank`.
    augment:
        How augmented performances of the first data set were made, if the store says so.
    datasets:
        What the pieces are from.
    processes:
        Among which the work is split.
    """

    device: torch.device
    bfloat16: bool
    window: Window
    train_bank: Bank
    valid_bank: Bank
    scores: Mapping[str, ScoreRecord]
    validation: list[PerformanceRecord]
    augment: dict[str, Any] | None = None
    datasets: list[str] = field(default_factory=list)
    processes: Processes = ALONE

    def facts(self) -> dict[str, Any]:
        """What the card of anything trained says of data, machine, versions and revision."""
        return {
            "training_pieces": len({name.piece for name in self.train_bank.names}),
            "training_performances": len(self.train_bank),
            "augmented_performances": sum(
                is_augmented(name.performance) for name in self.train_bank.names
            ),
            "augment": self.augment,
            "datasets": self.datasets,
            "device": str(self.device),
            "processes": self.processes.size,
            "bfloat16": self.bfloat16,
            "versions": {"sfpipe": __version__, "torch": torch.__version__},
            "revision": revision(),
        }


def open_session(
    params: MachineParams,
    scores: Path,
    spectrograms: Path,
    also: Sequence[StorePair] = (),
    processes: Processes = ALONE,
) -> Session:
    """Choose device, arithmetic and window; read the splits to train and to validate on.

    Parameters
    ----------
    also:
        Further data sets to learn from (`load_all_records`).

    Raises
    ------
    SfpipeError
        If a store cannot be read or a device is missing.
    """
    device = choose_device(params.device)
    if device.type == processes.device.type:
        device = processes.device  # the card of this process
    if params.threads:
        torch.set_num_threads(params.threads)
    keep_memory()
    bfloat16 = processes.agree(lambda: choose_bfloat16(params.precision, device))
    auto = params.window == "auto"
    window = window_for(strip_height(scores)) if auto else window_by_name(params.window)
    first = StorePair(scores, spectrograms)
    train, strips = _training_bank(first, also, window, device, params.memory_gib)
    others, validation = load_all_records(first, also, window, split="valid")
    return Session(
        device,
        bfloat16,
        window,
        train,
        bank_of(spectrograms, others, validation, window, device),
        ChainMap(others, cast(MutableMapping[str, ScoreRecord], strips)),
        validation,
        augmentation(spectrograms),
        sorted({dataset_of(pair.scores) for pair in (first, *also)}),
        processes,
    )


def _training_bank(
    first: StorePair,
    also: Sequence[StorePair],
    window: Window,
    device: torch.device,
    memory_gib: float | None,
) -> tuple[Bank, Mapping[str, ScoreRecord]]:
    """What is trained on, as a whole in memory if it fits there; and its scores."""
    if memory_gib is not None:
        limit = int(memory_gib * (1 << 30))
        records = StoredRecords(first, also, window, split="train")
        if records.bank_bytes() > limit:
            bank = CachedBank(records, window, device, memory_bytes=limit)
            return bank, Outlines(records)
        records.close()
    strips, played = load_all_records(first, also, window, split="train")
    return bank_of(first.spectrograms, strips, played, window, device), strips


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list instead of dying of them."""
    received: list[int] = []
    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, lambda n, _: received.append(n))
    except ValueError:
        pass  # not the main thread: signals stay as they are
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_training(
    phases: Phases,
    rule: StoppingRule,
    identity: dict[str, Any],
    checkpoints: Path | None,
    *,
    save: Callable[[TrainerState], None],
    processes: Processes = ALONE,
    **options: Any,
) -> TrainerState:
    """Train through all phases, in a way that signals may interrupt; save what came out.

    Parameters
    ----------
    identity:
        What decides which weights come out: names the checkpoint.
    save:
        Called with the last state; the checkpoint is removed after it.
    processes:
        Of which the first saves.
    options:
        Of the `Trainer`.
    """
    processes.require_same(hash_identity(identity), "parameters, stores or agent to start from")
    checkpoint = checkpoints / f"{hash_identity(identity)}.pt" if checkpoints else None
    with stop_signals() as stop:
        trainer = Trainer(
            phases, rule, checkpoint=checkpoint, should_stop=lambda: bool(stop), **options
        )
        state = trainer.run()
    if processes.first:
        save(state)
    if processes.first and checkpoint:
        remove_checkpoint(checkpoint)
    return state


def data_hashes(scores: Path, spectrograms: Path, also: Sequence[StorePair] = ()) -> dict[str, str]:
    """SHA-256 of all stores; those of further data sets bear their names."""
    hashes = {"scores": sha256(scores), "spectrograms": sha256(spectrograms)}
    for pair in also:
        hashes[f"{pair.name} scores"] = sha256(pair.scores)
        hashes[f"{pair.name} spectrograms"] = sha256(pair.spectrograms)
    return hashes


def revision() -> str | None:
    """The git revision of the working folder, if it is one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
