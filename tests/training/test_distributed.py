"""Several processes learn what one learns; lost ones end the others with a line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from sfpipe.agents.agent import load_agent
from sfpipe.agents.networks import ActorCritic
from sfpipe.errors import SfpipeError
from sfpipe.training.checkpoint import load_checkpoint
from tests.projects import write_stores
from tests.toy import NOTTINGHAM, stop_after
from tests.training.kinds import KINDS, trainer
from tests.training.test_stage import TINY

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
QUICK = ("ppo", "dagger", "belief")
OTHERS = [kind for kind in KINDS if kind not in (*QUICK, "mm-loc")]


def compare(folder: Path, kinds: list[str]) -> None:
    """Two processes from the beginning, two that go on where one stopped, and the reverse."""
    for kind in kinds:
        with pytest.raises(SfpipeError, match="interrupted"):
            trainer(kind, checkpoint=folder / f"{kind}.one", should_stop=stop_after(2)).run()
    command = [*TORCHRUN, "2", "-m", "tests.training.shared", str(folder), *kinds]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for kind in kinds:
        alone = trainer(kind)
        first = {k: v.clone() for k, v in alone.network.state_dict().items()}
        alone.run()
        reverse = trainer(kind, checkpoint=folder / f"{kind}.two")
        reverse._resume()
        assert reverse.state.updates == 2
        reverse.run()
        results = [load_checkpoint(folder / f"{kind}.{name}") for name in ("whole", "resumed")]
        assert all(result["same"] for result in results), "processes have other bits"
        results.append({"state": asdict(reverse.state), "weights": reverse.network.state_dict()})
        for result in results:
            for name in ("updates", "frames"):
                assert result["state"][name] == getattr(alone.state, name), kind
            assert difference(result["weights"], alone.network.state_dict(), first) < 2e-3, kind


def difference(ours: dict, theirs: dict, first: dict) -> float:
    """Of two trainings' weights, as a share of how far they have come."""

    def norm(a: dict, b: dict) -> torch.Tensor:
        return torch.stack([(a[k].double() - b[k]).square().sum() for k in a]).sum().sqrt()

    moved = norm(theirs, first)
    assert moved > 1e-3, "hardly trained: the test shows nothing"
    return float(norm(ours, theirs) / moved)


def test_two_processes_learn_what_one_learns_and_exchange_checkpoints(tmp_path):
    compare(tmp_path, list(QUICK))


@pytest.mark.slow
def test_so_do_the_other_algorithms(tmp_path):
    compare(tmp_path, OTHERS)


@pytest.mark.slow
def test_a_killed_process_ends_the_command_which_one_process_finishes(tmp_path, monkeypatch):
    """The real command on two processes, one of them killed; resumed by one."""
    monkeypatch.chdir(tmp_path)
    write_stores(tmp_path)
    training = json.loads(json.dumps(TINY))
    training["a2c"].update(max_frames=150)
    training["dagger"].update(max_frames=150)
    settings = {"dataset": "toy", "algo": "a2c", "seed": 1, "train": training}
    (tmp_path / "params.yaml").write_text(json.dumps(settings))
    command = [*TORCHRUN, "2", "-m", "sfpipe", "train", "--out", "agent"]
    run = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("models/checkpoints/[!.]*.pt")):
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.01)
    os.kill(process_of_rank(run.pid, 1), signal.SIGKILL)
    errors = run.communicate(timeout=600)[1]
    assert run.returncode == 1
    line = re.search("^.*sfpipe: another process of this training has ended.*$", errors, re.M)
    assert line and line[0].endswith("run the same command again to go on"), errors
    assert not (tmp_path / "agent").exists()
    finish = [sys.executable, "-m", "sfpipe", "train", "--out"]
    subprocess.run([*finish, "agent"], env=ENVIRONMENT, check=True, timeout=600)
    subprocess.run([*finish, "through"], env=ENVIRONMENT, check=True, timeout=600)
    ours, through = (load_agent(tmp_path / name) for name in ("agent", "through"))
    first = ActorCritic(NOTTINGHAM).initialise(torch.Generator().manual_seed(1))
    weights = [network.state_dict() for network in (ours[0], through[0], first)]
    assert difference(*weights) < 2e-3
    assert ours[1]["frames"] == through[1]["frames"]


def process_of_rank(parent: int, rank: int) -> int:
    """Process number of one that `torchrun` started."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        if b"RANK=%d" % rank in environment:
            return int(child)
    raise AssertionError("no such process")
