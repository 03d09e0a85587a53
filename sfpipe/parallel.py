"""One function over many pieces: in parallel, with progress, a bad piece reported and skipped."""

from __future__ import annotations

import difflib
import faulthandler
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel

from sfpipe.errors import SfpipeError, StorageError
from sfpipe.files import plain_name, read_json
from sfpipe.progress import Progress

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


def map_pieces(
    function: Callable[[Item], Any],
    items: Sequence[Item],
    *,
    label: str,
    jobs: int = -1,
    seconds: Callable[[Item], float] | None = None,
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

    Raises
    ------
    SfpipeError
        If `jobs` is 0, or the disk is full.
    """
    if jobs == 0:
        raise SfpipeError("0 processes can do nothing", remedy="give --jobs 1, or -1 for all cores")
    if jobs < 0:
        jobs = max(2, _count(jobs))  # also on one core: an item must not end this process
    limits = [seconds(item) if seconds and _is_local(jobs) else None for item in items]
    progress = Progress(label, len(items))
    outcomes: dict[int, Outcome[Item]] = {}
    todo = list(range(len(items)))
    while todo:
        crashed = False
        try:
            for index, value, error in _run(
                function, [(i, items[i], limits[i]) for i in todo], jobs
            ):
                outcomes[index] = Outcome(items[index], value, error)
                progress.advance()
        except _worker_death():
            crashed = True
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


def _run(function: Callable, items: list, jobs: int) -> Iterator[tuple[int, Any, str | None]]:
    import joblib

    # Workers outlive a call: they are still where the caller was when they were started.
    folder = os.getcwd() if _is_local(jobs) else None
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
    yield from parallel(joblib.delayed(_guarded)(function, *item, folder) for item in items)


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
def cluster(scheduler: str) -> Iterator[None]:
    """Run `map_pieces` inside this block on a Dask cluster instead of local processes.

    Parameters
    ----------
    scheduler:
        Address, e.g. ``tcp://host:8786``. The workers need this package and the same files.

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
    with client, joblib.parallel_config(backend="dask"):
        yield
