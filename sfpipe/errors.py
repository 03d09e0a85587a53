"""The one exception that users see: what went wrong, in which file, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

# What the extra `pipeline` brings; the environment, followers and stores do without.
PIPELINE = (
    "cv2",
    "dvclive",
    "imageio_ffmpeg",
    "matplotlib",
    "music21",
    "PIL",
    "pooch",
    "resvg_py",
    "tensorboard",
    "verovio",
)
PIPELINE_EXTRA = "pip install 'sfpipe[pipeline]'"


LONGEST = 500  # characters of each part of a message


class SfpipeError(Exception):
    """A failure the user can act on, printed by the CLI as one line with exit code 1.

    Parameters
    ----------
    what:
        What was expected and what was found.
    file:
        The file or folder concerned, named first in the line.
    remedy:
        What the user can do about it.
    """

    def __init__(self, what: str, *, file: str | Path | None = None, remedy: str | None = None):
        super().__init__(what, file, remedy)
        self.what = printable(str(what))
        self.file = None if file is None else printable(str(file))
        self.remedy = None if remedy is None else printable(remedy)

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        then = f" -> {self.remedy}" if self.remedy else ""
        return f"{where}{self.what}{then}"

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call __init__(what, file, remedy) positionally; workers pickle errors.
        return (_rebuild, (type(self), self.what, self.file, self.remedy))


class StorageError(SfpipeError):
    """A full disk or a folder that cannot be written: no piece's fault, so none is skipped."""


@contextmanager
def naming_extra() -> Iterator[None]:
    """Name the extra that brings what the block imports and is not installed.

    Raises
    ------
    SfpipeError
        If it is a module of `PIPELINE`.
    """
    try:
        yield
    except ImportError as error:
        module = (error.name or "").partition(".")[0]
        if module not in PIPELINE:
            raise
        raise SfpipeError(f"{module} is not installed", remedy=PIPELINE_EXTRA) from None


def optional(module: str, extra: str) -> Any:
    """A module of a package that only ``sfpipe[extra]`` installs.

    Raises
    ------
    SfpipeError
        If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0].replace("sklearn", "scikit-learn")
        remedy = f"pip install 'sfpipe[{extra}]'"
        raise SfpipeError(f"{package} is not installed", remedy=remedy) from None


def printable(text: str) -> str:
    """`text` without line breaks, and control characters as escapes: it may quote any file."""
    line = " ".join(text.split())
    if not line.isprintable():
        line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def _rebuild(
    kind: type[SfpipeError], what: str, file: str | None, remedy: str | None
) -> SfpipeError:
    return kind(what, file=file, remedy=remedy)
