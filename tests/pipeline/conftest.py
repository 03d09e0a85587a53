"""A small project under git and DVC, made from this checkout, with nine tunes of its own."""

import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sfpipe.audio.soundfonts import DECLARED, find_soundfont
from tests.pipeline.closure import ROOT

SCALE = "CDEFGABcdefgab"
CHANGES = {
    "dataset": "toy",
    "algo": "ppo",
    "download.max_pieces": None,
    "download.folders": {"toy": {"path": "tunes", "licence": "CC0"}},
    "clean.min_onsets": 8,
    "synthesize.train.soundfonts": ["TimGM6mb"],
    "synthesize.train.tempo_factors": [1.0, 1.25],
    "synthesize.train.per_piece": 1,
    "synthesize.test.soundfonts": ["TimGM6mb"],
    "train.preset": "demo",  # imitation before `algo`, so that a training has two phases
    "train.common.device": "cpu",
    "train.common.precision": "float32",
    "train.common.threads": 1,
    "train.common.evaluate_every": 4,
    "train.common.validation_pieces": 1,
    "train.common.dropout": 0.2,
    "train.a2c": {"num_envs": 4, "num_steps": 5, "max_frames": 120},
    "train.ppo": {"num_envs": 4, "num_steps": 5, "max_frames": 120, "gamma": 0.9},
    "train.pretraining.max_frames": 0,
    "train.dagger": {
        "max_frames": 120,
        "beta_frames": 60,
        "num_envs": 4,
        "num_steps": 5,
        "minibatch_size": 20,
    },
    "evaluate.device": "cpu",
    "evaluate.precision": "float32",
    "evaluate.trials": 1,
}


@dataclass(frozen=True)
class Project:
    """A folder in which `dvc` and `git` run, without any settings of this machine's user."""

    root: Path

    def environment(self) -> dict[str, str]:
        own = {name: str(self.root.parent / name) for name in ("global", "system", "site")}
        return os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root),  # its own copy of sfpipe
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
            "DVC_GLOBAL_CONFIG_DIR": own["global"],
            "DVC_SYSTEM_CONFIG_DIR": own["system"],
            "DVC_SITE_CACHE_DIR": own["site"],
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
        }

    def run(self, *command: str, fails: bool = False) -> subprocess.CompletedProcess:
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=1200,
        )
        assert (done.returncode != 0) == fails, f"{command}:\n{done.stdout}\n{done.stderr}"
        return done

    def dvc(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments).stdout

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments).stdout

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        self.git(*who, "commit", "-qm", message)

    def set(self, key: str, value) -> None:
        """Change one value of params.yaml."""
        yaml = YAML()
        path = self.root / "params.yaml"
        data = yaml.load(path.read_text("utf-8"))
        *sections, last = key.split(".")
        section = data
        for name in sections:
            section = section[name]
        section[last] = value
        with open(path, "w", encoding="utf-8") as file:
            yaml.dump(data, file)

    def ran(self, output: str) -> list[str]:
        """The stages that a `dvc repro` or `dvc exp run` ran, in their order."""
        lines = (line.strip() for line in output.splitlines())
        return [x.split("'")[1] for x in lines if x.startswith("Running stage '")]


def write_tunes(folder: Path) -> None:
    """Nine melodies of four to six bars, each unlike the others."""
    folder.mkdir()
    dice = random.Random(1)
    for i in range(9):
        bars = []
        for _ in range(4 + i % 3):
            bars.append("".join(dice.choice(SCALE) for _ in range(8)))
        text = f"X:1\nT:Tune {i}\nM:4/4\nL:1/8\nQ:1/4=180\nK:{'CGDFA'[i % 5]}\n{'|'.join(bars)}|]\n"
        (folder / f"tune{i}.abc").write_text(text)


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Project:
    if find_soundfont(DECLARED["TimGM6mb"]) is None:
        pytest.skip("the sound font TimGM6mb is not on this machine: see `sfpipe doctor`")
    if shutil.which("git") is None:
        pytest.skip("git is not on this machine")
    return new_project(tmp_path_factory.mktemp("pipeline") / "project")


def new_project(root: Path) -> Project:
    """A project in which nothing has run yet, committed."""
    root.mkdir()
    shutil.copytree(ROOT / "sfpipe", root / "sfpipe", ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".dvc").mkdir()
    for name in ("dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", ".dvc/config"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(
        ROOT / "data/tunes", root / "data/tunes", ignore=shutil.ignore_patterns("*.txt")
    )
    write_tunes(root / "tunes")
    made = Project(root)
    for key, value in CHANGES.items():
        made.set(key, value)
    made.git("init", "-q", "-b", "main")
    made.commit("a project")
    return made
