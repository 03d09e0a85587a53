"""What a training asks of the session it runs in: when to stop, and which revision it is of."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sfpipe.errors import SfpipeError


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


def interrupted(done: str, checkpoint: Path | None) -> SfpipeError:
    """That a training was stopped; `done` says after how much of it."""
    return SfpipeError(
        f"training interrupted after {done}",
        file=checkpoint,
        remedy="run the same command again to go on",
    )


def revision() -> str | None:
    """The git revision of the working folder, if it is one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() or None
