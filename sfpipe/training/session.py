"""What any training needs around it: machine and data, when to stop, and the facts for its card."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from sfpipe import __version__
from sfpipe.agents.hardware import choose_bfloat16, choose_device, keep_memory
from sfpipe.errors import SfpipeError
from sfpipe.params import MmLocParams, TrainParams
from sfpipe.store.bank import Bank, load_bank
from sfpipe.store.reader import augmentation, strip_height
from sfpipe.store.schema import is_augmented
from sfpipe.store.window import Window, window_by_name, window_for


@dataclass(frozen=True)
class Session:
    """Where a training computes, and what it learns from and is judged on.

    Attributes
    ----------
    augment:
        How augmented performances were made, if the store says so.
    """

    device: torch.device
    bfloat16: bool
    window: Window
    train_bank: Bank
    valid_bank: Bank
    augment: dict[str, Any] | None = None

    def facts(self) -> dict[str, Any]:
        """What the card of anything trained says of data, machine, versions and revision."""
        return {
            "training_pieces": len({i.piece for i in self.train_bank.infos}),
            "training_performances": len(self.train_bank),
            "augmented_performances": sum(
                is_augmented(i.performance) for i in self.train_bank.infos
            ),
            "augment": self.augment,
            "device": str(self.device),
            "bfloat16": self.bfloat16,
            "versions": {"sfpipe": __version__, "torch": torch.__version__},
            "revision": revision(),
        }


def open_session(params: TrainParams | MmLocParams, scores: Path, spectrograms: Path) -> Session:
    """Choose device, arithmetic and window; read the splits to train and to validate on.

    Raises
    ------
    SfpipeError
        If a store cannot be read or a device is missing.
    """
    device = choose_device(params.device)
    if params.threads:
        torch.set_num_threads(params.threads)
    keep_memory()
    bfloat16 = choose_bfloat16(params.precision, device)
    auto = params.window == "auto"
    window = window_for(strip_height(scores)) if auto else window_by_name(params.window)
    train, valid = (
        load_bank(scores, spectrograms, window, split=split, device=device)
        for split in ("train", "valid")
    )
    return Session(device, bfloat16, window, train, valid, augmentation(spectrograms))


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


class Timed(Protocol):
    """What knows how long a training took, in s."""

    seconds: float


class Clock:
    """Wall time of all runs of a training together; when to save it, and when to leave it.

    Starts as it is made.

    Parameters
    ----------
    course:
        Has the seconds that earlier runs took, and gets those of all runs.
    save:
        Writes the checkpoint.
    checkpoint:
        Its file, for the message.
    every:
        Seconds between checkpoints.
    should_stop:
        Asked at each `tick`.
    """

    def __init__(
        self,
        course: Timed,
        *,
        save: Callable[[], None],
        checkpoint: Path | None,
        every: float,
        should_stop: Callable[[], bool],
    ):
        self.save, self.checkpoint, self.every = save, checkpoint, every
        self.should_stop = should_stop
        self.course = course
        self._start = time.monotonic() - course.seconds
        self._saved = time.monotonic()

    def read(self) -> None:
        """Write the time of all runs so far into the course."""
        self.course.seconds = time.monotonic() - self._start

    def tick(self, done: str) -> None:
        """Save if it is time to, or the training is to stop; `done` tells how much there is of it.

        Raises
        ------
        SfpipeError
            If the training is to stop, once it is saved.
        """
        stop = self.should_stop()
        if stop or time.monotonic() - self._saved > self.every:
            self._saved = time.monotonic()
            self.read()
            self.save()
        if stop:
            raise SfpipeError(
                f"training interrupted after {done}",
                file=self.checkpoint,
                remedy="run the same command again to go on",
            )


def revision() -> str | None:
    """The git revision of the working folder, if it is one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
