"""One function over many pieces: in parallel, with progress, a bad piece reported and skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON: counts first, then the lists."""
        return {
            "n_done": len(self.done),
            "n_skipped": len(self.skipped),
            "done": sorted(self.done),
            "skipped": dict(sorted(self.skipped.items())),
        }


class _Verdict(BaseModel):
    """Of what `clean` writes, the part that later stages read."""

    accepted: dict[Split, list[Name]]


def accepted_pieces(clean: Path) -> dict[str, str]:
    """Piece id -> split of the pieces that `clean` accepted, in a fixed order.

    Raises
    ------
    SfpipeError
        If the file is missing or is not what `clean` writes.
    """
    accepted = read_json(clean, remedy="run: sfpipe clean", schema=_Verdict).accepted
    return {piece: split for split in SPLITS for piece in accepted.get(split, [])}


def map_pieces(
    function: Callable[[Item], Any], items: Sequence[Item], *, label: str, jobs: int = -1
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
        Number of processes; -1 is one per core; 1 stays in this process.

    Raises
    ------
    SfpipeError
        If `jobs` is 0, or the disk is full.
    """
    if jobs == 0:
        raise SfpipeError("0 processes can do nothing", remedy="give --jobs 1, or -1 for all cores")
    progress = Progress(label, len(items))
    outcomes: dict[int, Outcome[Item]] = {}
    todo = list(range(len(items)))
    while todo:
        crashed = False
        try:
            for index, value, error in _run(function, [(i, items[i]) for i in todo], jobs):
                outcomes[index] = Outcome(items[index], value, error)
                progress.advance()
        except _worker_death():
            crashed = True
        todo = [i for i in todo if i not in outcomes]
        if crashed:
            # The killer is among the items that were in flight; try those one by one.
            for index in todo[: 4 * _count(jobs)]:
                outcomes[index] = _alone(function, items[index])
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


def _run(function: Callable, pairs: list, jobs: int) -> Iterator[tuple[int, Any, str | None]]:
    import joblib

    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
    yield from parallel(joblib.delayed(_guarded)(function, i, item) for i, item in pairs)


def _guarded(function: Callable, index: int, item: Any) -> tuple[int, Any, str | None]:
    try:
        return index, function(item), None
    except StorageError:
        raise
    except SfpipeError as error:
        return index, None, str(error)


def _alone(function: Callable[[Item], Any], item: Item) -> Outcome[Item]:
    with ProcessPoolExecutor(max_workers=1) as pool:
        try:
            _, value, error = pool.submit(_guarded, function, 0, item).result()
            return Outcome(item, value, error)
        except BrokenProcessPool:
            return Outcome(item, error="the worker process crashed on this piece")


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
