"""Scores that were sent to the server: read in a process of their own, kept while they are used.

What was read lies in a folder that all processes of a server share, under a name that cannot be
guessed. So each of them can serve each score, and a process that dies takes none along.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import importlib
import multiprocessing
import os
import pickle
import re
import resource
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from sfpipe.errors import SfpipeError, StorageError
from sfpipe.files import replacing
from sfpipe.live.bars import find_bars
from sfpipe.live.workers import with_parent
from sfpipe.pages.limits import LIMITS
from sfpipe.pages.page_set import PageSet
from sfpipe.pages.read import read_pages
from sfpipe.parallel import ending_after

UPLOAD = replace(LIMITS, file_bytes=64 << 20, pages=100)
READING_S = 90.0  # to read one score
MEMORY = 6 << 30  # bytes that reading one may take
MOST_SCORES = 64  # kept at once
MOST_IN_MEMORY = 8  # of them, in each process
UNUSED_S = 3600.0  # after which a score that nobody follows is forgotten
_LONGEST_SUFFIX = 12
_KEY = re.compile(r"[\w-]{22}", re.ASCII)
_PREFIX = "sfpipe-served-"
# Of Verovio's pictures: straight thin lines, which else lie between two rows of the screen.
_CRISP = (
    "<style>.staff>path,.barLine path,.stem path,.ledgerLines path"
    "{shape-rendering:crispEdges}</style>"
)


class TooLargeError(SfpipeError):
    """More was sent than is taken."""


@contextmanager
def served_folder() -> Iterator[Path]:
    """A folder for the scores of one server, for this user alone; gone when the server ends.

    Those of servers that were killed are removed.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        number = left.name.removeprefix(_PREFIX).partition("-")[0]
        with suppress(OSError, ValueError, OverflowError):  # another user's, or not one of ours
            try:
                os.kill(int(number), 0)
            except ProcessLookupError:
                if not left.is_symlink() and left.stat().st_uid == os.getuid():
                    shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as folder:
        yield Path(folder)


@dataclass(frozen=True)
class SharedScore:
    """A score, and what a page needs to know of it."""

    page_set: PageSet
    described: dict[str, Any]


class ScoreShelf:
    """Reads scores and keeps them in a folder, each under a name that cannot be guessed.

    Several processes may have a shelf of the same folder. A score that one of them holds stays.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._in_memory: dict[str, SharedScore] = {}  # the latest is last
        self._pool: ProcessPoolExecutor | None = None
        self._reading = asyncio.Semaphore(2)

    def start(self) -> None:
        """Start the process that reads, so that the first score does not wait for it."""
        self._workers().submit(_prepare)

    def close(self) -> None:
        """End the process that reads, whatever it reads."""
        if self._pool is not None:
            for process in list((self._pool._processes or {}).values()):
                process.kill()
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def get(self, key: str) -> SharedScore | None:
        """The score of this name."""
        path = self._path(key)
        score = self._in_memory.pop(key, None)
        if path is None or not path.exists():
            return None
        try:
            # The folder is this user's alone, and only `keep` writes into it.
            score = score or pickle.loads(path.read_bytes())
        except Exception:  # forgotten just now; or damaged, which raises nearly anything
            return None
        self._remember(key, score)
        return score

    @contextmanager
    def hold(self, key: str) -> Iterator[SharedScore | None]:
        """The score of this name, not forgotten within the block; None if it is gone."""
        path = self._path(key)
        if path is None or not path.exists():
            yield None
            return
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)  # ends with the process, however that ends
            score = self.get(key)
            if score is not None:
                os.utime(path)
            yield score
            with suppress(OSError):
                os.utime(path)

    async def add_upload(self, name: str, parts: AsyncIterator[bytes]) -> SharedScore:
        """Read a score that arrives in parts; its file is gone afterwards.

        Parameters
        ----------
        name:
            Of the file; only its suffix and, for the eye, its last part are used.

        Raises
        ------
        TooLargeError
            As soon as more has arrived than is taken.
        SfpipeError
            If it cannot be read, or reading takes too long.
        """
        shown = PurePosixPath(name.replace("\\", "/")).name[:120] or "score"
        suffix = PurePosixPath(shown).suffix.lower()[:_LONGEST_SUFFIX]
        if not suffix[1:].isalnum():
            raise SfpipeError("its name has no suffix that tells what it is", file=shown)
        with _storing(shown), TemporaryDirectory(prefix="upload-", dir=self.folder) as folder:
            path = Path(folder) / f"score{suffix}"
            size = 0
            with open(path, "wb") as file:
                async for part in parts:
                    size += len(part)
                    if size > UPLOAD.file_bytes:
                        most = UPLOAD.file_bytes >> 20
                        raise TooLargeError(f"has more than {most} MiB", file=shown)
                    file.write(part)
            return await self._read(path, shown)

    async def add_file(self, path: Path) -> SharedScore:
        """Read a score of this machine.

        Raises
        ------
        SfpipeError
            As `add_upload`.
        """
        with _storing(path.name):
            return await self._read(path, path.name)

    def keep(self, page_set: PageSet, shown: str) -> SharedScore:
        """Keep a score that was read.

        Raises
        ------
        SfpipeError
            If there are too many that are followed, or the disk is full.
        """
        self._forget()
        key = secrets.token_urlsafe(16)
        score = SharedScore(page_set, describe_score(page_set, key, shown))
        with replacing(self.folder / f"{key}.score") as temporary:
            temporary.write_bytes(pickle.dumps(score))
        self._remember(key, score)
        return score

    async def _read(self, path: Path, shown: str) -> SharedScore:
        async with self._reading:
            pool = self._workers()
            try:
                future = pool.submit(_read_limited, str(path))
                page_set = await asyncio.wrap_future(future)
            except BrokenProcessPool:
                self._pool = None
                raise SfpipeError(
                    f"could not be read in {READING_S:.0f} s and {MEMORY >> 30} GiB", file=shown
                ) from None
            except SfpipeError as error:
                raise SfpipeError(error.what, file=shown, remedy=error.remedy) from None
        return self.keep(page_set, shown)

    def _path(self, key: str) -> Path | None:
        return self.folder / f"{key}.score" if _KEY.fullmatch(key) else None

    def _remember(self, key: str, score: SharedScore) -> None:
        self._in_memory[key] = score
        while len(self._in_memory) > MOST_IN_MEMORY:
            del self._in_memory[next(iter(self._in_memory))]

    def _forget(self) -> None:
        """Drop scores that were not used for long, and the oldest if there are too many."""
        found = list(self.folder.glob("[!.]*.score"))
        kept = len(found)
        for path in sorted(found, key=_used):
            if time.time() - _used(path) > UNUSED_S or kept >= MOST_SCORES:
                kept -= _remove_unheld(path)
        if kept >= MOST_SCORES:
            raise SfpipeError("too many scores are followed already", remedy="close one")

    def _workers(self) -> ProcessPoolExecutor:
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_end_quietly)
        return self._pool


@contextmanager
def _storing(shown: str) -> Iterator[None]:
    """Say of a disk that fails what it is, without the names of this machine's files."""
    try:
        yield
    except (StorageError, OSError) as error:
        what = error.what if isinstance(error, StorageError) else _why(error)
        remedy = "free some space where the server runs"
        raise SfpipeError(f"cannot be kept: {what}", file=shown, remedy=remedy) from None


def _why(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "the disk is full" if full else error.strerror or "the disk fails"


def _used(path: Path) -> float:
    """When a score was last put to use; of one that another process forgot: never."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _remove_unheld(path: Path) -> bool:
    """Remove a score unless somebody holds it; whether it is gone."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def describe_score(page_set: PageSet, key: str, shown: str) -> dict[str, Any]:
    """What the page is told: pages, systems and bars, in px of the pages."""
    pages = [
        {"url": f"/scores/{key}/pages/{i}", "width": p.width, "height": p.height}
        for i, p in enumerate(page_set.pages)
    ]
    systems = [
        {"page": s.page, "left": s.left, "right": s.right, "top": s.top, "bottom": s.bottom}
        for s in page_set.systems
    ]
    bars = []
    for start, end in find_bars(page_set):
        begin, stop = page_set.to_page(start + 0.01), page_set.to_page(end - 0.01)
        box = (begin.page, begin.x, stop.x, min(begin.y_top, stop.y_top))
        bars.append([start, end, *box, max(begin.y_bottom, stop.y_bottom)])
    at = page_set.to_page(page_set.start_px)
    return {
        "key": key,
        "name": shown,
        "pages": pages,
        "systems": _rounded(systems),
        "bars": [[round(v, 1) for v in bar] for bar in bars],
        "start": {"page": at.page, "x": at.x, "y_top": at.y_top, "y_bottom": at.y_bottom},
        "notes": list(page_set.notes),
    }


def crisp(svg: str) -> str:
    """A page in which all staff lines are equally dark, on coarse screens, too."""
    head, mark, rest = svg.partition(">")
    return f"{head}{mark}{_CRISP}{rest}"


def _rounded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: round(float(v), 1) if k != "page" else v for k, v in row.items()} for row in rows]


def _end_quietly() -> None:
    """An interrupt, which the terminal sends to all processes, ends this one without a word.

    So does the end of the server's process, which then waits for no answer.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with_parent(lambda: os._exit(1))


def _prepare() -> None:
    """Load what reading needs."""
    for module in ("cv2", "pypdfium2", "verovio"):
        importlib.import_module(module)


def _read_limited(path: str) -> PageSet:
    """Read a score in this process, which ends if it takes too long."""
    with suppress(ValueError, OSError):  # where the system knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    try:
        with ending_after(READING_S):
            return read_pages(path, limits=UPLOAD)
    except MemoryError:
        raise SfpipeError("needs more memory than is given to one score", file=path) from None
    except RecursionError:
        raise SfpipeError("is nested too deeply", file=path) from None
