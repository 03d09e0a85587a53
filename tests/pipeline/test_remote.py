"""DVC remotes and the queue for real: push, clone elsewhere, pull, two experiments at once."""

import importlib.util
import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.pipeline.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dvc")]
BUCKET = "scores"


@pytest.fixture(scope="module")
def made(project) -> Project:
    """The project with all its outputs, committed."""
    project.dvc("repro")
    if project.git("status", "--porcelain"):
        project.commit("all outputs")
    return project


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """The address of an S3 server of its own process, with an empty bucket."""
    for module in ("dvc_s3", "moto", "flask"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install dvc-s3 'moto[server]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("s3") / "log.txt"
    with open(log, "w") as file:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=file, stderr=file)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                request = urllib.request.Request(f"{address}/{BUCKET}", method="PUT")
                urllib.request.urlopen(request, timeout=10).close()
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(params=["directory", "s3"])
def remote(request, tmp_path, monkeypatch):
    """The DVC commands that name a remote: a folder, or a bucket."""
    if request.param == "directory":
        return [("remote", "add", "--local", "--default", "shared", str(tmp_path / "remote"))]
    address = request.getfixturevalue("s3")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return [
        ("remote", "add", "--local", "--default", "shared", f"s3://{BUCKET}/toy"),
        ("remote", "modify", "--local", "shared", "endpointurl", address),
    ]


def clone(made: Project, folder: Path, remote: list[tuple[str, ...]]) -> Project:
    """As on another machine: nothing but what git has, and DVC's own folders empty."""
    folder.mkdir()
    other = Project(folder / "project")
    subprocess.run(["git", "clone", "-q", made.root, other.root], check=True)
    for command in remote:
        other.dvc(*command)
    return other


def files(root: Path) -> dict[str, bytes]:
    """Data and agent by their paths."""
    found = [path for name in ("data", "models/agent") for path in (root / name).rglob("*")]
    kept = [path for path in found if path.is_file() and path.name != ".gitignore"]
    return {str(path.relative_to(root)): path.read_bytes() for path in kept}


def test_what_was_pushed_is_pulled_elsewhere_and_nothing_runs_again(made, remote, tmp_path):
    for command in remote:
        made.dvc(*command)
    try:
        made.dvc("push")
        assert "Everything is up to date" in made.dvc("push")
        there = json.loads(made.dvc("status", "--cloud", "--json"))
    finally:
        made.dvc("remote", "remove", "--local", "shared")  # which also is no default any more
    assert there == {}
    other = clone(made, tmp_path / "other", remote)
    assert not (other.root / "models/agent").exists()
    other.dvc("pull")
    assert files(other.root) == files(made.root)
    output = other.dvc("repro")
    assert other.ran(output) == [] and "up to date" in output
    assert other.git("status", "--porcelain") == ""
    # Who follows music needs the agent alone.
    user = clone(made, tmp_path / "user", remote)
    user.dvc("pull", "models/agent")
    pulled = {name for name in files(user.root) if not name.startswith("data/tunes/README")}
    assert pulled == {name for name in files(made.root) if name.startswith("models/agent/")}


def test_a_remote_that_is_gone_is_told(made, tmp_path):
    missing = ("remote", "add", "--local", "--default", "shared", str(tmp_path / "nowhere"))
    other = clone(made, tmp_path / "other", [missing])
    failed = other.run(sys.executable, "-m", "dvc", "pull", fails=True)
    assert "do not exist neither locally nor on remote" in failed.stderr
    assert not (other.root / "models/agent").exists()


def test_two_workers_run_the_queue(made, tmp_path):
    """Each experiment in a folder of its own; the work space stays as it is."""
    before = made.git("status", "--porcelain"), files(made.root)
    names = {"short-view": "0.7", "long-view": "0.95"}
    for name, gamma in names.items():
        made.dvc("exp", "run", "--queue", "--name", name, "-S", f"train.ppo.gamma={gamma}")
    assert made.dvc("queue", "status").count("Queued") == 2
    assert "Started '2' new experiments task queue workers" in started(made)
    deadline = time.monotonic() + 1200
    while time.monotonic() < deadline:
        told = made.dvc("queue", "status")
        if told.count("Success") + told.count("Failed") == 2:
            break
        time.sleep(1)
    made.dvc("queue", "stop")
    assert told.count("Success") == 2, told
    assert (made.git("status", "--porcelain"), files(made.root)) == before
    for name, gamma in names.items():
        experiment = reference_of(made, name)
        params = YAML(typ="safe").load(made.git("show", f"{experiment}:params.yaml"))
        assert params["train"]["ppo"]["gamma"] == float(gamma)
        results = json.loads(made.git("show", f"{experiment}:metrics/eval.json"))
        assert results["n_pieces"] > 0 and results["players"]["optimal"]["r_on"] == 1.0


def started(made: Project) -> str:
    """What DVC says of the workers that it starts."""
    done = made.run(sys.executable, "-m", "dvc", "queue", "start", "--jobs", "2")
    return done.stdout + done.stderr


def reference_of(made: Project, name: str) -> str:
    """Where git keeps an experiment."""
    listed = made.git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    return next(ref for ref in listed if ref.endswith(f"/{name}"))
