"""One function over many pieces: in parallel, with progress, a bad piece reported and skipped."""

from __future__ import annotations

import difflib
import faulthandler
import itertools
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel

from sfpipe.errors import SfpipeError, StorageError
from sfpipe.files import plain_name, plain_path, read_json, replacing
from sfpipe.progress import Progress

BATCH = 128  # pieces whose results are held in memory at once
Item = TypeVar("Item")
# A piece's or a file's own name, read from a file: it becomes part of paths.
Name = Annotated[str, AfterValidator(plain_name)]
Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


@dataclass
class Outcome(Generic[Item]):
    """What became of one item: its `value`, or the `error` that made it be skipped."""

    item: Item
    value: Any = None
    error: str | None = None


@dataclass
class StageReport:
    """What a stage did: pieces done, and pieces skipped with the reason of each."""

    done: list[Name] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def require_done(
        self,
        failure: str,
        *,
        file: Path,
        none: str = "there are no accepted pieces",
        remedy: str | None = None,
    ) -> None:
        """Raise an `SfpipeError` if not one is done: `failure`, and the first reason, or `none`."""
        if not self.done:
            first = next(iter(self.skipped.values()), none)
            raise SfpipeError(f"{failure} (the first: {first})", file=file, remedy=remedy)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON: counts first, then the lists."""
        return {
            "n_done": len(self.done),
            "n_skipped": len(self.skipped),
            "done": sorted(self.done),
            "skipped": dict(sorted(self.skipped.items())),
        }


def batches(
    label: str, items: Sequence[Item], size: int = BATCH
) -> Iterator[tuple[str, Sequence[Item]]]:
    """Items by the hundred, whose results memory holds, and a label for each batch."""
    for start in range(0, len(items), size):
        batch = items[start : start + size]
        part = f" {start + 1}-{start + len(batch)} of {len(items)}" if len(items) > size else ""
        yield f"{label}{part}", batch


class _Rejection(BaseModel):
    """Why `clean` rejected a piece."""

    reason: str


class _Verdict(BaseModel):
    """Of what `clean` writes, the part that later stages read."""

    accepted: dict[Split, list[Name]]
    rejected: dict[str, _Rejection] = {}


def accepted_pieces(clean: Path, only: Sequence[str] = ()) -> dict[str, str]:
    """Piece id -> split of the pieces that `clean` accepted, in a fixed order.

    Parameters
    ----------
    only:
        The pieces that are asked for; none: all.

    Raises
    ------
    SfpipeError
        If the file is missing or is not what `clean` writes, or a piece of `only` is not accepted.
    """
    verdict = read_json(clean, remedy="run: sfpipe clean", schema=_Verdict)
    accepted = {piece: s for s in SPLITS for piece in verdict.accepted.get(s, [])}
    reasons = {piece: rejection.reason for piece, rejection in verdict.rejected.items()}
    return {piece: accepted[piece] for piece in named_pieces(accepted, only, clean, reasons)}


def named_pieces(
    names: Collection[str], only: Sequence[str], file: Path, reasons: Mapping[str, str]
) -> list[str]:
    """Those of `names` that are asked for, in their order; none asked for: all.

    Parameters
    ----------
    file:
        What lists the names.
    reasons:
        Why other pieces are not among them.

    Raises
    ------
    SfpipeError
        If one is not there: with the reason, or naming the nearest.
    """
    for name in only:
        if name in names:
            continue
        if name in reasons:
            what = f"piece '{name}' is left out: {reasons[name]}"
            raise SfpipeError(what, file=file, remedy="name another piece")
        near = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0)
        advice = f"did you mean '{near[0]}'?" if near else None
        raise SfpipeError(f"has no piece '{name}'", file=file, remedy=advice)
    return [name for name in names if not only or name in only]


@dataclass(frozen=True)
class Files(Generic[Item]):
    """Which files and folders belong to an item, for workers that do not see this disk.

    Paths outside the working folder, such as sound fonts, are the worker's own.

    Attributes
    ----------
    needed:
        What the item is made from.
    made:
        What becomes of it.
    """

    needed: Callable[[Item], Iterable[Path]]
    made: Callable[[Item], Iterable[Path]] = lambda item: ()


def map_pieces(
    function: Callable[[Item], Any],
    items: Sequence[Item],
    *,
    label: str,
    jobs: int = -1,
    seconds: Callable[[Item], float] | None = None,
    files: Files[Item] | None = None,
) -> list[Outcome[Item]]:
    """Apply `function` to every item in worker processes; outcomes come in the order of `items`.

    An `SfpipeError` raised for one item becomes its outcome's `error`; so does the death of the
    worker (a segmentation fault in an engraving engine, say). A `StorageError` (the disk is full)
    ends the stage. Any other exception is a bug and is raised. Run it inside
    ``joblib.parallel_config(backend="dask")`` to use a Dask cluster.

    Parameters
    ----------
    function:
        Picklable callable of one item.
    jobs:
        Number of processes; -1 is one per core; 1 stays in this process, which ends if a piece
        crashes it.
    seconds:
        How long an item may take before its worker is ended; not in this process or on a cluster.
    files:
        Sent to workers of a cluster that do not see them, and what they make is sent back.

    Raises
    ------
    SfpipeError
        If `jobs` is 0, the disk is full, or the cluster's scheduler has gone.
    """
    if jobs == 0:
        raise SfpipeError("0 processes can do nothing", remedy="give --jobs 1, or -1 for all cores")
    if jobs < 0:
        jobs = max(2, _count(jobs))  # also on one core: an item must not end this process
    parcels = Parcels(function, files) if files and _is_apart(jobs) else None
    limits = [seconds(item) if seconds and _is_local(jobs) else None for item in items]
    progress = Progress(label, len(items))
    outcomes: dict[int, Outcome[Item]] = {}
    todo = list(range(len(items)))
    while todo:
        crashed = False
        try:
            for index, value, error in _run(function, items, limits, todo, jobs, parcels):
                outcomes[index] = Outcome(items[index], value, error)
                progress.advance()
        except _worker_death():
            crashed = True
        except _scheduler_death() as death:
            left = [str(i) for i in todo if i not in outcomes]
            raise SfpipeError(
                f"{label}: the cluster's scheduler has gone ({type(death).__name__}) with"
                f" {len(left)} of {len(items)} pieces left",
                remedy="start it, or leave out --scheduler; run the same command again to go on",
            ) from None
        todo = [i for i in todo if i not in outcomes]
        if crashed:
            # The killer is among the items that were in flight; try those one by one.
            for index in todo[: 4 * _count(jobs)]:
                outcomes[index] = _alone(function, items[index], limits[index])
                progress.advance()
            todo = [i for i in todo if i not in outcomes]
    failed = sum(o.error is not None for o in outcomes.values())
    progress.close(f"{failed} skipped" if failed else "")
    return [outcomes[i] for i in range(len(items))]


def _count(jobs: int) -> int:
    import joblib

    return int(joblib.effective_n_jobs(jobs))


def _worker_death() -> type[BaseException]:
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    return TerminatedWorkerError


def _scheduler_death() -> tuple[type[BaseException], ...]:
    if "distributed" not in sys.modules:
        return ()
    from concurrent.futures import CancelledError

    from distributed.comm import CommClosedError

    return (CancelledError, CommClosedError)


def _run(
    function: Callable,
    items: Sequence[Any],
    limits: Sequence[float | None],
    todo: Sequence[int],
    jobs: int,
    parcels: Parcels | None,
) -> Iterator[tuple[int, Any, str | None]]:
    import joblib

    # Workers outlive a call: they are still where the caller was when they were started.
    folder = os.getcwd() if _is_local(jobs) else None
    work = parcels.apply if parcels else function
    calls = (
        (work, i, parcels.pack(items[i]) if parcels else items[i], limits[i], folder) for i in todo
    )
    client = _client(jobs)
    if client is None:
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
        yield from parallel(joblib.delayed(_guarded)(*call) for call in calls)
        return
    for index, value, error in _run_there(client, calls):
        if parcels and error is None:
            value = parcels.unpack(items[index], value)
        yield index, value, error


def _run_there(client: Any, calls: Iterator[tuple]) -> Iterator[tuple[int, Any, str | None]]:
    """Outcomes from a cluster. Joblib's own way waits for ever for a task whose workers die."""
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    running, index_of = as_completed(), {}

    def start(n: int) -> None:
        for call in itertools.islice(calls, n):
            future = client.submit(_guarded, *call, pure=False)
            index_of[future.key] = call[1]
            running.add(future)

    start(4 * max(sum(client.nthreads().values()), 1))
    for future in running:
        index = index_of.pop(future.key)
        try:
            outcome = future.result()
        except KilledWorker:
            outcome = index, None, "every worker that took this piece has ended"
        start(1)
        yield outcome


def on_cluster() -> bool:
    """Whether `map_pieces` would use a Dask cluster now."""
    return _client(-1) is not None


def _client(jobs: int) -> Any:
    """The cluster's, where items run on one."""
    from joblib.parallel import get_active_backend

    return None if jobs == 1 else getattr(get_active_backend()[0], "client", None)


def _is_apart(jobs: int) -> bool:
    """Whether items run on a cluster, some worker of which does not see the working folder."""
    client = _client(jobs)
    if client is None:
        return False
    with tempfile.NamedTemporaryFile(dir=".", prefix=".sfpipe-") as mark:
        seen = client.run(os.path.exists, Path(mark.name).name)
    return not seen or not all(seen.values())


_folder_lock = threading.Lock()  # a process has one working folder


@dataclass(frozen=True)
class Parcels(Generic[Item]):
    """Items with the content of their files, for a worker with another disk.

    The worker puts the files into an empty folder, by the same relative paths, works there, and
    sends back what is new or has changed.
    """

    function: Callable[[Item], Any]
    files: Files[Item]

    def pack(self, item: Item) -> tuple[Item, dict[str, bytes]]:
        """An item, and all that is there of its files."""
        paths = [*self.files.needed(item), *self.files.made(item)]
        return item, _contents(paths)

    def apply(self, parcel: tuple[Item, dict[str, bytes]]) -> tuple[Any, dict[str, bytes]]:
        """What the function makes of an item, and the files that it has made; on the worker."""
        item, contents = parcel
        with _folder_lock, tempfile.TemporaryDirectory(prefix="sfpipe-") as folder:
            before = os.getcwd()
            os.chdir(folder)
            try:
                for name, content in contents.items():
                    Path(name).parent.mkdir(parents=True, exist_ok=True)
                    Path(name).write_bytes(content)
                value = self.function(item)
                made = _contents(self.files.made(item))
            finally:
                os.chdir(before)
        return value, {name: new for name, new in made.items() if contents.get(name) != new}

    def unpack(self, item: Item, result: tuple[Any, dict[str, bytes]]) -> Any:
        """Write the files that a worker made, and return the value.

        Raises
        ------
        SfpipeError
            If a file is none that the item may make.
        """
        value, contents = result
        folders = [os.path.normpath(path) for path in self.files.made(item)]
        for name, content in contents.items():
            if not any(name == f or name.startswith(f + os.sep) for f in folders):
                raise SfpipeError(f"a worker sent {name[:80]!r}, which is not of this piece")
            with replacing(plain_path(name)) as temporary:
                temporary.write_bytes(content)
        return value


def _contents(paths: Iterable[Path]) -> dict[str, bytes]:
    """Content by relative path of files and of all files in folders, the oldest first."""
    files = []
    for path in paths:
        if not os.path.isabs(path):
            files += [p for p in (path.rglob("*") if path.is_dir() else [path]) if p.is_file()]
    files.sort(key=lambda file: file.stat().st_mtime_ns)
    return {os.path.normpath(file): file.read_bytes() for file in files}


def _is_local(jobs: int) -> bool:
    """Whether items run in processes of their own on this machine."""
    from joblib.parallel import get_active_backend

    return jobs != 1 and type(get_active_backend()[0]).__name__ == "LokyBackend"


def _guarded(
    function: Callable, index: int, item: Any, seconds: float | None, folder: str | None = None
) -> tuple[int, Any, str | None]:
    if folder is not None:
        os.chdir(folder)
    try:
        with ending_after(seconds):
            return index, function(item), None
    except StorageError:
        raise
    except SfpipeError as error:
        return index, None, str(error)
    except MemoryError:
        return index, None, "it needs more memory than there is"
    except RecursionError:
        return index, None, "it is nested too deeply"


@contextmanager
def ending_after(seconds: float | None) -> Iterator[None]:
    """End this process if the block takes longer, be it in code that Python cannot interrupt."""
    if seconds is None:
        yield
        return
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def _alone(
    function: Callable[[Item], Any], item: Item, seconds: float | None = None
) -> Outcome[Item]:
    start = time.monotonic()
    with ProcessPoolExecutor(max_workers=1) as pool:
        try:
            _, value, error = pool.submit(_guarded, function, 0, item, seconds).result()
            return Outcome(item, value, error)
        except BrokenProcessPool:
            reason = "the worker process crashed on this piece"
            if seconds is not None and time.monotonic() - start >= seconds:
                reason = f"it took longer than {seconds:g} s"
            return Outcome(item, error=reason)


@contextmanager
def cluster(scheduler: str) -> Iterator[Any]:
    """Run `map_pieces` inside this block on a Dask cluster instead of local processes.

    Yields Dask's client.

    Parameters
    ----------
    scheduler:
        Address, e.g. ``tcp://host:8786``. The workers need this package; files go to them through
        the scheduler if they do not see the working folder.

    Raises
    ------
    SfpipeError
        If Dask is not installed or the scheduler does not answer.
    """
    import joblib

    try:
        from dask.distributed import Client
    except ImportError:
        raise SfpipeError("Dask is not installed", remedy="pip install 'sfpipe[cluster]'") from None
    try:
        client = Client(scheduler, timeout=10)
    except OSError as error:
        raise SfpipeError(
            f"no Dask scheduler answers at {scheduler} ({error})", remedy="check the address"
        ) from None
    try:
        with joblib.parallel_config(backend="dask"):
            yield client
    finally:
        # While it tries to reach a scheduler that has gone, closing it may fail.
        with suppress(RuntimeError):
            client.close()
