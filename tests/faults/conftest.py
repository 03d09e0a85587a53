"""A small project whose stages have all run, stage by stage, on a machine that can misbehave."""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.machine import Ended, Machine
from tests.tunes import TUNES, write_raw

PARAMS = {
    "dataset": "toy",
    "algo": "a2c",
    "seed": 1,
    "clean": {"min_onsets": 8},
    "synthesize": {
        "train": {"soundfonts": ["TimGM6mb"], "per_piece": 1},
        "test": {"soundfonts": ["TimGM6mb"]},
    },
    "train": {
        "preset": "paper",
        "common": {"device": "cpu", "precision": "float32", "evaluate_every": 2, "threads": 1},
        "a2c": {"num_envs": 2, "num_steps": 3, "max_frames": 24},
    },
    "evaluate": {"trials": 1, "device": "cpu", "precision": "float32", "threads": 1},
}
# A stage, its command, and what it leaves that does not depend on the time of day.
STAGES = {
    "engrave": (["engrave", "--jobs", "1"], ["data/engraved"]),
    "clean": (["clean"], ["data/clean"]),
    "synthesize": (["synthesize", "--jobs", "1"], ["data/audio"]),
    "spectrograms": (["spectrograms", "--jobs", "1"], ["data/spectrograms"]),
    "scores": (["scores"], ["data/scores"]),
    "train": (["train"], ["models/agent/weights.safetensors"]),
    "evaluate": (["evaluate"], ["metrics/headline.json", "metrics/pieces.csv"]),
    "publish": (["publish", "mine"], ["models/pretrained/mine/weights.safetensors"]),
}


@dataclass
class Before:
    """A stage's project as it is before it runs, what it leaves, and the calls that it takes."""

    folder: Path
    leaves: dict[str, str]
    calls: Ended


@dataclass
class Chain:
    """All stages of one project."""

    machine: Machine
    before: dict[str, Before]

    def copy(self, stage: str, to: Path) -> Path:
        """A project in which everything before the stage has run."""
        return Path(shutil.copytree(self.before[stage].folder, to))


def leavings(folder: Path, stage: str) -> dict[str, str]:
    """Hashes of what a stage leaves, by path."""
    found: dict[str, str] = {}
    for name in STAGES[stage][1]:
        path = folder / name
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file():
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                found[str(file.relative_to(folder))] = digest
    return found


@pytest.fixture(scope="session")
def chain(tmp_path_factory, soundfont) -> Iterator[Chain]:
    if sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("faults are injected by a library preloaded under Linux, made with cc")
    root = tmp_path_factory.mktemp("faults")
    project = root / "project"
    write_raw(project / "data/raw/toy", TUNES)
    (project / "params.yaml").write_text(json.dumps(PARAMS))  # JSON is YAML
    machine, before = Machine(root), {}
    for stage, (command, _) in STAGES.items():
        folder = Path(shutil.copytree(project, root / f"before-{stage}"))
        ended = machine.run(project, *command, fault="count")
        assert ended.code == 0, ended.err
        before[stage] = Before(folder, leavings(project, stage), ended)
    yield Chain(machine, before)
    machine.close()
