"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sfpipe.errors import SfpipeError, StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
_FULL_BELOW = 64 << 10  # bytes free


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` when the block succeeds.

    The suffix of `path` is kept, since many writers choose the format by it. On any exception
    (and on SIGINT) the temporary file or folder is removed and `path` is left as it was.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        yield temporary
        _move(temporary, path)
    except StorageError:
        raise
    except Exception as error:
        _explain(error, path, temporary)
        raise
    finally:
        _remove(temporary)


def _sweep(path: Path) -> None:
    """Remove what writers of `path` left behind that were killed."""
    for left in path.parent.glob(f".{glob.escape(path.stem)}.*.tmp{glob.escape(path.suffix)}"):
        number = left.name.removesuffix(path.suffix).removesuffix(".tmp").rpartition(".")[2]
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            _remove(left)
        except (OSError, ValueError, OverflowError):
            continue  # another user's process, or not one of ours


def _move(temporary: Path, path: Path) -> None:
    if not (temporary.is_dir() and path.is_dir()) or path.is_symlink():
        os.replace(temporary, path)
        return
    # A folder cannot replace a full one at once; two renames are as short as it gets.
    old = temporary.with_name(temporary.name + ".old.tmp")
    os.replace(path, old)
    os.replace(temporary, path)
    shutil.rmtree(old, ignore_errors=True)


def _remove(temporary: Path) -> None:
    if temporary.is_dir() and not temporary.is_symlink():
        shutil.rmtree(temporary, ignore_errors=True)
    else:
        with suppress(OSError):  # there is none, or its folder is a file
            temporary.unlink()


def _explain(error: Exception, path: Path, temporary: Path) -> None:
    """Raise a `StorageError` if the disk or the folder is to blame for `error`."""
    if _is_full(error, path.parent):
        raise StorageError(
            "the disk is full", file=path, remedy="free some space and run the stage again"
        ) from error
    if isinstance(error, OSError) and error.errno in _FORBIDDEN:
        # An input that the block could not read is not this file's fault.
        about = path if error.filename is None else Path(os.fsdecode(error.filename))
        if about in (path, temporary, *path.parents) or temporary in about.parents:
            raise StorageError(
                f"cannot be written ({error.strerror})",
                file=path,
                remedy="check the folder's name and permissions",
            ) from error


def _is_full(error: Exception, folder: Path) -> bool:
    """Whether `error` is a full disk, a quota or a file size limit.

    Few writers say so plainly: HDF5 and safetensors hide the number in their text, PyTorch and
    libsndfile say nothing at all, hence the look at the free space.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    if any(os.strerror(number) in str(error) for number in _FULL):
        return True
    with suppress(OSError):
        return shutil.disk_usage(folder).free < _FULL_BELOW
    return False


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def read_json(path: str | Path, *, remedy: str) -> Any:
    """Read a JSON file that an earlier stage wrote.

    Raises
    ------
    SfpipeError
        If the file is missing, cannot be read or is not JSON; `remedy` says which command makes it.
    """
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise SfpipeError("no such file", file=path, remedy=remedy) from None
    except OSError as error:
        raise SfpipeError(f"cannot be read ({error.strerror})", file=path, remedy=remedy) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SfpipeError(f"is not valid JSON ({error})", file=path, remedy=remedy) from None


@contextmanager
def parsing(source: Path, remedy: str) -> Iterator[None]:
    """Read a downloaded file with a parser that raises whatever it stumbles over.

    Its warnings, of details that are not used or are checked later, are dropped.

    Raises
    ------
    SfpipeError
        If the file is missing, or the block raises anything.
    """
    if not source.is_file():
        raise SfpipeError("no such file", file=source, remedy="run: sfpipe download")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except SfpipeError:
            raise
        except Exception as error:
            raise SfpipeError(
                f"could not be read ({type(error).__name__}: {str(error)[:120]})",
                file=source,
                remedy=remedy,
            ) from None


def sha256(path: str | Path) -> str:
    """SHA-256 of a file as 64 hex digits, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
