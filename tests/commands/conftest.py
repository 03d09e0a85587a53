"""A small project folder for commands, and how a command refuses bad input."""

import re
from pathlib import Path

import pytest
import torch

from sfpipe.agents.agent import save_agent
from sfpipe.agents.networks import ActorCritic
from sfpipe.store.window import WINDOWS
from tests.projects import write_stores

PARAMS = """
dataset: toy
algo: a2c
seed: 1
train:
  preset: paper
  common: {device: cpu, precision: float32, evaluate_every: 2}
  a2c: {num_envs: 2, num_steps: 3, max_frames: 12}
evaluate: {trials: 2, device: cpu, precision: float32}
"""
SCORES, SPECTROGRAMS = "data/scores/toy.h5", "data/spectrograms/toy.h5"
WEIGHTS, CARD = "models/agent/weights.safetensors", "models/agent/agent.json"


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("project")
    (root / "params.yaml").write_text(PARAMS)
    write_stores(root)
    network = ActorCritic(WINDOWS["nottingham"])
    network.initialise(torch.Generator().manual_seed(0))
    save_agent(root / "models/agent", network, {"window": "nottingham"})
    return root


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def refuses(project, sfpipe):
    """The command ends with code 1 and one line, and leaves all files as they were."""

    def check(*arguments, file: str, says: str = "") -> str:
        before = files(project)
        code, out, err = sfpipe(*arguments)
        assert code == 1, err
        assert out == ""
        assert err.count("\n") == 1, err
        assert err.startswith("sfpipe: ")
        line = err.removeprefix("sfpipe: ").rstrip("\n")
        if file:
            assert line.startswith(f"{file}: "), line
        assert says in line
        assert re.search(r" -> \S", line), f"no remedy: {line}"
        assert files(project) == before
        return line

    return check
