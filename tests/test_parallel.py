"""Many pieces at once: order, bad pieces, dying workers."""

import ctypes
import faulthandler
import os
import signal
import time

import pytest

from sfpipe.errors import SfpipeError, StorageError
from sfpipe.parallel import StageReport, cluster, map_pieces


def square(n: int) -> int:
    time.sleep(0.05 if n == 0 else 0)  # the first to begin is the last to end
    return n * n


def picky(n: int) -> int:
    if n % 3 == 1:
        raise SfpipeError("is no multiple", file=f"{n}.abc", remedy="leave it out")
    return n


def fragile(n: int) -> int:
    if n == 3:
        faulthandler.disable()  # pytest's would print all stacks
        ctypes.string_at(0)  # a real segmentation fault
    if n == 7:
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory runs out
    return n


def ending(n: int) -> int:
    faulthandler.disable()
    if n == 1:
        os._exit(0)
    if n == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    if n == 3:
        os.abort()
    return n


def stuck(n: int) -> int:
    if n == 1:
        ctypes.PyDLL(None).sleep(300)  # holds the interpreter's lock, as an engraver does
    return n


def greedy(n: int) -> int:
    if n == 0:
        return len(bytearray(1 << 62))
    return greedy(n) if n == 1 else n


def buggy(n: int) -> int:
    return 1 // (n - 2)


def on_a_full_disk(n: int) -> int:
    if n == 2:
        raise StorageError("the disk is full", file="out", remedy="free some space")
    return n


def whoami(_: int) -> int:
    return os.getpid()


@pytest.mark.parametrize("jobs", [1, 2])
def test_outcomes_come_in_the_order_of_the_items(jobs):
    outcomes = map_pieces(square, range(12), label="square", jobs=jobs)
    assert [o.item for o in outcomes] == list(range(12))
    assert [o.value for o in outcomes] == [n * n for n in range(12)]
    assert all(o.error is None for o in outcomes)


def test_nothing_to_do():
    assert map_pieces(square, [], label="square") == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bad_piece_is_skipped_with_its_reason(jobs, capsys):
    outcomes = map_pieces(picky, range(6), label="pick", jobs=jobs)
    assert [o.value for o in outcomes] == [0, None, 2, 3, None, 5]
    assert outcomes[1].error == "1.abc: is no multiple -> leave it out"
    assert [o.error is None for o in outcomes] == [True, False, True, True, False, True]
    assert "pick: 6 pieces" in capsys.readouterr().err.splitlines()[-1]


def test_number_of_skipped_pieces_is_shown(capsys):
    map_pieces(picky, range(6), label="pick", jobs=1)
    assert capsys.readouterr().err.endswith(", 2 skipped\n")


def test_a_worker_that_dies_costs_only_its_piece():
    outcomes = map_pieces(fragile, range(20), label="fragile", jobs=2)
    dead = [o.item for o in outcomes if o.error is not None]
    assert dead == [3, 7]
    assert {o.error for o in outcomes if o.error} == {"the worker process crashed on this piece"}
    assert [o.value for o in outcomes if o.error is None] == [
        n for n in range(20) if n not in (3, 7)
    ]


@pytest.mark.parametrize("jobs", [-1, 2])
def test_a_worker_may_end_in_any_way(jobs, monkeypatch):
    monkeypatch.setattr("sfpipe.parallel._count", lambda jobs: 1)  # as on a machine with one core
    outcomes = map_pieces(ending, range(5), label="end", jobs=jobs)
    assert [o.item for o in outcomes if o.error is None] == [0, 4]
    assert {o.error for o in outcomes if o.error} == {"the worker process crashed on this piece"}


def test_a_piece_that_takes_too_long_is_reported():
    start = time.monotonic()
    outcomes = map_pieces(
        stuck, range(6), label="stuck", jobs=2, seconds=lambda n: 60.0 if n == 5 else 3.0
    )
    assert [o.error for o in outcomes] == [None, "it took longer than 3 s", *[None] * 4]
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_piece_that_is_too_large_or_too_deep_is_reported(jobs):
    outcomes = map_pieces(greedy, range(3), label="greedy", jobs=jobs)
    assert [o.error for o in outcomes] == [
        "it needs more memory than there is",
        "it is nested too deeply",
        None,
    ]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bug_is_raised(jobs):
    with pytest.raises(ZeroDivisionError):
        map_pieces(buggy, range(5), label="bug", jobs=jobs)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_ends_the_stage(jobs):
    with pytest.raises(StorageError, match="out: the disk is full -> free some space"):
        map_pieces(on_a_full_disk, range(5), label="full", jobs=jobs)


def test_one_job_stays_in_this_process():
    assert {o.value for o in map_pieces(whoami, range(3), label="who", jobs=1)} == {os.getpid()}
    others = {o.value for o in map_pieces(whoami, range(3), label="who", jobs=2)}
    assert os.getpid() not in others


def whereabouts(_item):
    return os.getcwd()


def test_workers_are_where_the_caller_is(tmp_path, monkeypatch):
    """Relative paths mean the same in workers that an earlier call has started elsewhere."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        outcomes = map_pieces(whereabouts, range(4), label="where", jobs=2)
        assert {o.value for o in outcomes} == {str(tmp_path / name)}


def test_report():
    report = StageReport(done=["b", "a"], skipped={"d": "bad", "c": "worse"})
    assert report.as_dict() == {
        "n_done": 2,
        "n_skipped": 2,
        "done": ["a", "b"],
        "skipped": {"c": "worse", "d": "bad"},
    }
    assert list(report.as_dict()["skipped"]) == ["c", "d"]


def test_a_cluster_that_is_not_there():
    # Either Dask is not installed or nobody answers; both are one line with a remedy.
    with pytest.raises(SfpipeError, match="Dask") as caught, cluster("tcp://127.0.0.1:9"):
        pass
    assert caught.value.remedy
