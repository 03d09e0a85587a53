"""Scores sent to a server on a machine that misbehaves: taken, or refused in a line."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.machine import FAULTS, build
from tests.live.conftest import serving, workers_of
from tests.live.test_server import follow, get, post

SCORE = b"X:1\nT:Plain\nM:2/4\nL:1/8\nK:C\nCDEF|GABc|cBAG|FEDC|C2E2|G2c2|c2G2|E2C2|]\n"


@contextlib.contextmanager
def misbehaving(home: Path, fault: str, seed: int, nth: int):
    """A server whose folder of temporary files has this fault."""
    home.mkdir(parents=True)
    about = f"{FAULTS.index(fault)} {seed} {nth} {home / 'tmp'}"
    with serving(
        home / "at",
        environment={"LD_PRELOAD": str(build(home)), "SFPIPE_FAULT": about},
        temporary=home / "tmp",
    ) as server:
        yield server


@pytest.mark.parametrize("fault", ["short", "clock"])
def test_a_score_is_read_all_the_same(tmp_path, fault):
    with misbehaving(tmp_path / "odd", fault, 1, 0) as (address, temporary, _):
        status, score, _ = post(address, "scores?name=plain.abc", SCORE)
        assert status == 200 and len(score["bars"]) == pytest.approx(8, abs=1)
        assert get(address, score["pages"][0]["url"][1:])[0] == 200
        follow(address, score["key"]).close()
        assert list(temporary.rglob("upload-*")) == []


@pytest.mark.parametrize("nth", [1, 2])  # of the writes: the upload, and what was read of it
def test_a_full_disk_refuses_a_score_and_nothing_else(tmp_path, nth):
    with misbehaving(tmp_path / "full", "full", 0, nth) as (address, temporary, _):
        status, answer, _ = post(address, "scores?name=plain.abc", SCORE)
        assert status == 422 and "plain.abc" in answer["error"] and "\n" not in answer["error"]
        assert "disk is full" in answer["error"] and str(temporary) not in answer["error"]
        assert get(address, "")[0] == 200
        assert list(temporary.rglob("upload-*")) == []
        assert list(temporary.rglob("*.score")) == []


def test_a_damaged_score_is_gone(tmp_path):
    """The page says so, and the next one is read."""
    with serving(tmp_path / "home") as (address, temporary, _):
        key = post(address, "scores?name=plain.abc", SCORE)[1]["key"]
        for _ in range(8):  # what a process has in memory it has no need to read
            other = post(address, "scores?name=plain.abc", SCORE)[1]["key"]
        (path,) = temporary.rglob(f"{key}.score")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert get(address, f"scores/{key}/pages/0")[0] == 404
        assert get(address, f"scores/{other}/pages/0")[0] == 200


def test_a_reader_that_is_killed_costs_its_score_alone(tmp_path):
    with serving(tmp_path / "home") as (address, _, server):
        post(address, "scores/example", b"")
        (reader,) = workers_of(server)
        os.kill(reader.pid, signal.SIGKILL)
        time.sleep(0.5)
        codes = [post(address, "scores?name=plain.abc", SCORE)[0] for _ in range(2)]
        assert codes[-1] == 200 and codes[0] in (200, 422)
