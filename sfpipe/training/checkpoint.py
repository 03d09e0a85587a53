"""Checkpoints of a training in progress: complete, atomic, tied to what they belong to.

A kill at any moment leaves either the old checkpoint or the new one. Nothing is rounded: training
goes on bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from sfpipe.errors import SfpipeError
from sfpipe.files import replacing


def hash_identity(value: Any) -> str:
    """Sixteen hex digits that change when anything in `value` (plain data) does."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint."""
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint; None if there is none.

    Raises
    ------
    SfpipeError
        If it cannot be read.
    """
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:  # an older format is none of ours
            grown = sum(member.file_size for member in archive.infolist())
        if grown > path.stat().st_size:  # its members are stored, not compressed
            raise ValueError("it grows when it is read")
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise SfpipeError(
            f"is not a readable checkpoint ({type(error).__name__})",
            file=path,
            remedy="move it away to start this training anew",
        ) from None


@contextmanager
def restoring(path: Path | None) -> Iterator[None]:
    """Put what the checkpoint at `path` holds into a training.

    Raises
    ------
    SfpipeError
        If it is of another training: something is missing in it, or does not fit.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SfpipeError(
            f"is no checkpoint of this training ({type(error).__name__})",
            file=path,
            remedy="move it away to start this training anew",
        ) from None


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint, if there is one."""
    path.unlink(missing_ok=True)
