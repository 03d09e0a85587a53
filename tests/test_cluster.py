"""Work on other machines: files go there and come back; hosts, workers and schedulers that end."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sfpipe.errors import SfpipeError
from sfpipe.parallel import Files, Parcels, cluster, map_pieces
from tests.cleaning.conftest import toy  # noqa: F401  # a fixture, asked for by its name

ROOT = Path(__file__).parents[1]


def shout(name: str) -> str:
    Path("made", name).mkdir(parents=True, exist_ok=True)
    Path("made", name, "loud.txt").write_text(Path("raw", name).read_text().upper())
    return name


@pytest.fixture
def parcels(tmp_path, monkeypatch) -> Parcels:
    monkeypatch.chdir(tmp_path)
    Path("raw").mkdir()
    Path("raw/a").write_text("quiet")
    Path("made/a").mkdir(parents=True)
    Path("made/a/kept.txt").write_text("old")
    return Parcels(
        shout, Files(lambda n: [Path("raw", n), Path("/etc/hosts")], lambda n: [Path("made", n)])
    )


def test_a_piece_is_made_in_an_empty_folder_and_only_what_is_new_comes_back(parcels):
    parcel = parcels.pack("a")
    assert parcel == ("a", {"raw/a": b"quiet", "made/a/kept.txt": b"old"})
    shutil.move("raw", "away")
    shutil.move("made", "gone")
    value, made = parcels.apply(parcel)
    assert (value, made) == ("a", {"made/a/loud.txt": b"QUIET"})
    assert not Path("made").exists()
    assert parcels.unpack("a", (value, made)) == "a"
    assert Path("made/a/loud.txt").read_text() == "QUIET"


@pytest.mark.parametrize("name", ["made/b/x", "made/a/../b", "/tmp/x", "made/a/.hidden", "made"])
def test_a_worker_writes_nothing_but_the_piece(parcels, name):
    with pytest.raises((SfpipeError, ValueError)):
        parcels.unpack("a", ("a", {name: b"x"}))
    assert sorted(p.name for p in Path("made").rglob("*")) == ["a", "kept.txt"]


def end_at(mark: str) -> str:
    """Wait until the mark is there, at most two minutes."""
    deadline = time.monotonic() + 120
    while not Path(mark).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return mark


@pytest.mark.slow
def test_a_scheduler_that_comes_back(tmp_path):
    """The stage that ran ends in a line; the next one goes on, on the same address."""
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, environment = f"tcp://127.0.0.1:{port}", os.environ | {"PYTHONPATH": str(ROOT)}
    dask, quiet = [sys.executable, "-m"], ["--no-dashboard"]
    scheduler = [*dask, "distributed.cli.dask_scheduler", *quiet, "--port", str(port)]
    worker = [*dask, "distributed.cli.dask_worker", *quiet, address, "--nthreads", "1"]
    started: list[subprocess.Popen] = []

    def start(*commands: list[str]) -> None:
        for command in commands:
            started.append(subprocess.Popen(command, env=environment, cwd=tmp_path))
            while command is scheduler and socket.socket().connect_ex(("127.0.0.1", port)):
                time.sleep(0.2)

    def come_back() -> None:
        time.sleep(2)
        started[0].kill()
        started[0].wait()
        start(scheduler, worker)

    marks = [str(tmp_path / name) for name in "ab"]
    Path(marks[0]).touch()
    try:
        start(scheduler, worker)
        with cluster(address) as client:
            client.wait_for_workers(1, timeout=120)
            returning = threading.Thread(target=come_back)
            returning.start()
            message = r"wait: the cluster's scheduler has gone .* with [12] of 2 pieces left"
            with pytest.raises(SfpipeError, match=message) as caught:
                map_pieces(end_at, marks, label="wait")
            assert "run the same command again" in str(caught.value)
            returning.join()
        Path(marks[1]).touch()
        with cluster(address) as client:
            client.wait_for_workers(1, timeout=120)
            assert [o.value for o in map_pieces(end_at, marks, label="wait")] == marks
    finally:
        for process in started:
            process.kill()


@pytest.mark.slow
def test_two_hosts_without_a_common_disk(toy, tmp_path):  # noqa: F811  # that fixture
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    project = tmp_path / "project"
    project.mkdir()
    spaces = ["unshare", "--user", "--map-root-user", "--net", "--mount"]
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare and ip are not installed")
    tried = subprocess.run([*spaces, "mount", "-t", "tmpfs", "none", str(project)])
    if tried.returncode:
        pytest.skip("namespaces are not allowed here")
    done = subprocess.run(
        [*spaces, sys.executable, "-m", "tests.hosts", str(toy[1]), str(project)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout.splitlines()[-1])
    assert out["hosts_see"] == [0]
    assert out["clean"] and out["scores"]
    # The killer is named; the slow one and the others are done.
    why = out["shouted"].pop("dies")
    assert why == "every worker that took this piece has ended"
    assert out["shouted"] == dict.fromkeys(("a", "once", "slow", "b"))
    assert out["made"] == ["A", "B", "ONCE", "SLOW"]
    assert "the cluster's scheduler has gone" in out["gone"], done.stderr
    assert "3 of 3 pieces left" in out["gone"]
