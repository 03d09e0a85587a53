"""Files: written whole or not at all, read by a schema, named plainly, removed only if ours."""

from __future__ import annotations

import csv
import errno
import glob
import hashlib
import io
import json
import os
import shutil
import unicodedata
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sfpipe.errors import SfpipeError, StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR),
    *(errno.ENOENT, errno.ENAMETOOLONG, errno.EINVAL),  # odd file systems, odd names
)
_FULL_BELOW = 64 << 10  # bytes free
_LONGEST_NAME = 200  # bytes; file systems take 255, and suffixes are added
MOST_BYTES = 16 << 20  # of JSON, CSV and scores: in memory it is up to thirty times as much
_CONTROL = ("Cc", "Cs", "Zl", "Zp")  # Unicode categories: control characters, breaks, half pairs

Schema = TypeVar("Schema")


def plain_name(name: Any) -> str:
    """`name`, if as a path it can only lie right inside a folder.

    Every name that was read from a file passes here before it becomes part of a path.

    Raises
    ------
    ValueError
        If it is no text, is empty, begins with a dot, holds a separator or a control character,
        or is longer than 200 bytes in UTF-8.
    """
    if not isinstance(name, str):
        raise ValueError(f"{str(name)[:40]!r} is no name")
    bad = set(name) & {"/", "\\"} or any(unicodedata.category(c) in _CONTROL for c in name)
    if not name or name.startswith(".") or bad or len(name.encode()) > _LONGEST_NAME:
        raise ValueError(f"{name[:40]!r} cannot be the name of a file or folder")
    return name


def plain_path(name: Any) -> str:
    """`name`, if it is plain names joined by slashes: as a path it stays inside a folder.

    Raises
    ------
    ValueError
        As `plain_name`.
    """
    if isinstance(name, str) and "/" in name:
        return "/".join(map(plain_name, name.split("/")))
    return plain_name(name)


def remove_made(folder: Path, made: Iterable[Path]) -> None:
    """Remove files that a stage made, and `folder` if nothing else is in it.

    Anything else stays, and so does everything behind a link.
    """
    if folder.is_symlink():
        return
    for file in made:
        file.unlink(missing_ok=True)
    with suppress(OSError):  # something else is in it, or there is none
        folder.rmdir()


def remove_others(out: Path, keep: Collection[str], made: Callable[[Path], Iterable[Path]]) -> None:
    """Make the folder `out`; remove what a stage made in subfolders that are not in `keep`.

    Parameters
    ----------
    made:
        The files in a subfolder that the stage made.

    Raises
    ------
    SfpipeError
        If `out` cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for folder in [path for path in out.iterdir() if path.is_dir()]:
            if folder.name not in keep:
                remove_made(folder, list(made(folder)))
    except OSError as error:
        raise SfpipeError(
            f"cannot be written ({error.strerror})",
            file=out,
            remedy="check the folder's permissions",
        ) from None


@contextmanager
def replacing(path: str | Path, *, marker: str | None = None) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` when the block succeeds.

    The suffix of `path` is kept, since many writers choose the format by it. On any exception
    (and on SIGINT) the temporary file or folder is removed and `path` is left as it was.

    Parameters
    ----------
    marker:
        A file that says of a folder that sfpipe made it: a folder without it is not replaced.

    Raises
    ------
    SfpipeError
        If there is a folder that sfpipe did not make.
    StorageError
        If the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    if marker and path.is_dir() and any(path.iterdir()) and not (path / marker).is_file():
        raise SfpipeError(
            f"is a folder that sfpipe did not make (no {marker} in it)",
            file=path,
            remedy="move it elsewhere",
        )
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


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Say what is wrong with the disk or the folder, if that is why the block raises.

    For libraries that write several files into `folder` by themselves.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written.
    """
    try:
        yield
    except Exception as error:
        _explain(error, folder, folder)
        raise


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
    with suppress(OSError):  # there is none, or its folder is a file
        if temporary.is_dir() and not temporary.is_symlink():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
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


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table, `float` values with six digits."""
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        for row in rows:
            writer.writerow([f"{x:.6g}" if isinstance(x, float) else x for x in row])


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with replacing(path) as temporary:
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        temporary.write_text(text, "utf-8", "replace")  # half of a pair may have been read


def read_json(path: str | Path, *, remedy: str, schema: type[Schema]) -> Schema:
    """Read a JSON file that an earlier stage wrote.

    Parameters
    ----------
    schema:
        What it must hold: any type that pydantic checks.

    Raises
    ------
    SfpipeError
        If the file is missing, cannot be read, is too large, is not JSON or not of the schema;
        `remedy` says which command makes it.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(schema).validate_python(json.loads(read_text(path)))
    except FileNotFoundError:
        raise SfpipeError("no such file", file=path, remedy=remedy) from None
    except OSError as error:
        raise SfpipeError(f"cannot be read ({error.strerror})", file=path, remedy=remedy) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        what = f"is not what sfpipe writes ({place[:80]}: {first['msg'][:120]})"
        raise SfpipeError(what, file=path, remedy=remedy) from None
    except (ValueError, RecursionError) as error:
        raise SfpipeError(f"is not valid JSON ({error})", file=path, remedy=remedy) from None


def read_text(path: str | Path) -> str:
    """Text in UTF-8, read as a whole.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it has more than 16 MiB, or is not UTF-8.
    """
    return _whole(path, MOST_BYTES).decode("utf-8")


def read_bytes(path: str | Path, *, remedy: str, most: int = MOST_BYTES) -> bytes:
    """The content of a file that is read as a whole.

    Raises
    ------
    SfpipeError
        If the file is missing, cannot be read or has more than `most` bytes.
    """
    try:
        return _whole(path, most)
    except FileNotFoundError:
        raise SfpipeError("no such file", file=path, remedy=remedy) from None
    except OSError as error:
        raise SfpipeError(f"cannot be read ({error.strerror})", file=path, remedy=remedy) from None
    except ValueError as error:
        raise SfpipeError(str(error), file=path, remedy="put less into one file") from None


def _whole(path: str | Path, most: int) -> bytes:
    with open(path, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"has more than {most >> 20} MiB")
    return content


class _Rows(csv.DictReader):
    """Rows that have as many cells as the head."""

    def __next__(self) -> dict[str | Any, str | Any]:
        row = super().__next__()
        if None in row or None in row.values():
            raise ValueError(f"line {self.line_num} has not as many cells as the head")
        return row


@contextmanager
def read_rows(path: Path, *, remedy: str, delimiter: str = ",") -> Iterator[csv.DictReader]:
    """The rows of a CSV file with a header line, by column, while the block reads them.

    Raises
    ------
    SfpipeError
        If the file is missing, cannot be read, is too large or is no CSV, or the block meets
        a value of another kind (raises KeyError, TypeError, ValueError or OverflowError).
    """
    try:
        yield _Rows(io.StringIO(read_text(path), newline=""), delimiter=delimiter)
    except FileNotFoundError:
        raise SfpipeError("no such file", file=path, remedy=remedy) from None
    except OSError as error:
        raise SfpipeError(f"cannot be read ({error.strerror})", file=path, remedy=remedy) from None
    except (KeyError, TypeError, ValueError, OverflowError, csv.Error) as error:
        raise SfpipeError(
            f"is damaged ({type(error).__name__}: {str(error)[:120]})", file=path, remedy=remedy
        ) from None


@contextmanager
def parsing(source: Path, remedy: str) -> Iterator[None]:
    """Read a downloaded file with a parser that raises whatever it stumbles over.

    Its warnings, of details that are not used or are checked later, are dropped.

    Raises
    ------
    SfpipeError
        If the file is missing or has more than 16 MiB, or the block raises anything.
    """
    if not source.is_file():
        raise SfpipeError("no such file", file=source, remedy="run: sfpipe download")
    if source.stat().st_size > MOST_BYTES:
        raise SfpipeError(f"has more than {MOST_BYTES >> 20} MiB", file=source, remedy=remedy)
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
    """SHA-256 of a file as 64 hex digits, read in blocks of 1 MiB.

    Raises
    ------
    SfpipeError
        If the file is missing or cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        what, remedy = f"cannot be read ({error.strerror})", "check that it is there, and its disk"
        raise SfpipeError(what, file=path, remedy=remedy) from None
    return digest.hexdigest()
