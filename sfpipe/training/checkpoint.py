"""Checkpoints of a training in progress: complete, atomic, tied to what they belong to.

A checkpoint larger than `PART_BYTES` (the Table 2 network with Adam's moments and the best weights:
47 MB) is written in parts, so that it passes wherever files are limited to 16 MiB. Under the
checkpoint's own name is then a list of the parts, written last: a kill at any moment leaves either
the old checkpoint or the new one. Nothing is rounded: training goes on bit for bit.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from sfpipe.errors import SfpipeError
from sfpipe.files import replacing, write_json

PART_BYTES = 15 << 20


def fingerprint(value: Any) -> str:
    """Sixteen hex digits that change when anything in `value` (plain data) does."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save_checkpoint(path: Path, state: dict[str, Any], part_bytes: int = PART_BYTES) -> None:
    """Write a checkpoint, in parts of at most `part_bytes`.

    A kill at any moment leaves either the old one or the new one.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    if len(content) <= part_bytes:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
        _sweep(path, keep=())
        return
    whole = hashlib.sha256(content).hexdigest()
    parts: list[str] = []
    for start in range(0, len(content), part_bytes):
        part = path.with_name(f"{path.stem}-{whole[:12]}-{len(parts) + 1:02}.part")
        with replacing(part) as temporary:
            temporary.write_bytes(content[start : start + part_bytes])
        parts.append(part.name)
    write_json(path, {"parts": parts, "sha256": whole})
    _sweep(path, keep=parts)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint; None if there is none.

    Raises
    ------
    SfpipeError
        If it or one of its parts cannot be read.
    """
    if not path.exists():
        return None
    try:
        return torch.load(io.BytesIO(_content(path)), map_location="cpu", weights_only=True)
    except SfpipeError:
        raise
    except Exception as error:  # torch raises many kinds for a damaged file
        raise SfpipeError(
            f"is not a readable checkpoint ({type(error).__name__})",
            file=path,
            remedy="delete it to start this training again",
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
            remedy="delete it to start this training again",
        ) from None


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint and its parts, if there are any."""
    path.unlink(missing_ok=True)
    _sweep(path, keep=())


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(b"{"):
        return content
    listed = json.loads(content)
    parts = [path.with_name(Path(name).name) for name in listed["parts"]]
    for part in parts:
        if not part.is_file():
            raise SfpipeError(
                "this part of the checkpoint is missing",
                file=part,
                remedy=f"copy it beside {path.name}, or delete that to start again",
            )
    joined = b"".join(part.read_bytes() for part in parts)
    if hashlib.sha256(joined).hexdigest() != listed["sha256"]:
        raise ValueError("the parts are damaged")
    return joined


def _sweep(path: Path, keep: tuple[str, ...] | list[str]) -> None:
    """Remove parts of earlier checkpoints of this training, and what a kill left of them."""
    for pattern in (f"{path.stem}-*.part", f".{path.stem}-*.tmp.part"):
        for part in path.parent.glob(pattern):
            if part.name not in keep:
                part.unlink(missing_ok=True)
