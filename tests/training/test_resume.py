"""Interrupted and resumed equals uninterrupted, bit for bit, for every kind of training."""

import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from sfpipe.errors import SfpipeError
from sfpipe.training.trainer import Trainer
from tests.toy import stop_after
from tests.training.kinds import KINDS, trainer

ROOT = Path(__file__).parents[2]
_whole: dict[str, Trainer] = {}


def whole(kind: str) -> Trainer:
    """The training that was not interrupted."""
    if kind not in _whole:
        _whole[kind] = trainer(kind)
        _whole[kind].run()
        assert _whole[kind].state.updates >= 4, "too short: the test shows nothing"
        assert _whole[kind].state.evaluations
    return _whole[kind]


def assert_same(ours: Trainer, theirs: Trainer) -> None:
    states = []
    for done in (ours, theirs):
        state = asdict(done.state)
        state.pop("seconds")
        for row in state["evaluations"]:
            row.pop("minutes")
        states.append(state)
    assert states[0] == states[1]
    expected = theirs.network.state_dict()
    for name, weight in ours.network.state_dict().items():
        assert torch.equal(weight, expected[name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_interrupted_twice_and_resumed(kind, tmp_path):
    file = tmp_path / "c.pt"
    for updates in (2, 1):  # the second time from a resumed run
        with pytest.raises(SfpipeError, match=r"training interrupted after [\d,]+ \w+") as error:
            trainer(kind, checkpoint=file, should_stop=stop_after(updates)).run()
        assert error.value.remedy == "run the same command again to go on"
    resumed = trainer(kind, checkpoint=file)
    resumed.run()
    assert_same(resumed, whole(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_killed_and_resumed(kind, tmp_path):
    """SIGKILL at a moment when the run has saved two updates and works on the third."""
    file, threads = tmp_path / "c.pt", str(torch.get_num_threads())
    command = [sys.executable, "-m", "tests.training.kinds", kind, str(file), threads, "2"]
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    finally:
        child.kill()
    assert child.wait() == -signal.SIGKILL
    resumed = trainer(kind, checkpoint=file)
    resumed._resume()
    assert resumed.state.updates == 2
    resumed.run()
    assert_same(resumed, whole(kind))
