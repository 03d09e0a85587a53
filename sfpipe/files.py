"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sfpipe.errors import SfpipeError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` when the block succeeds.

    The suffix of `path` is kept, since many writers choose the format by it. On any exception
    (and on SIGINT) the temporary file or folder is removed and `path` is left as it was.

    Raises
    ------
    SfpipeError
        If the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise SfpipeError(
                "the disk is full", file=path, remedy="free some space and run the stage again"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise SfpipeError(
                f"cannot be written ({error.strerror})",
                file=path,
                remedy="check the folder's permissions",
            ) from error
        raise
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def read_json(path: str | Path, *, remedy: str) -> Any:
    """Read a JSON file that an earlier stage wrote.

    Raises
    ------
    SfpipeError
        If the file is missing or is not JSON; `remedy` says which command makes it.
    """
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise SfpipeError("no such file", file=path, remedy=remedy) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SfpipeError(f"is not valid JSON ({error})", file=path, remedy=remedy) from None


def sha256(path: str | Path) -> str:
    """SHA-256 of a file as 64 hex digits, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
