"""Work on other machines: files go there and come back; hosts, workers and schedulers that end."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sfpipe.errors import SfpipeError
from sfpipe.parallel import Files, Parcels
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
