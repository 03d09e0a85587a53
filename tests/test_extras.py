"""What works without the extra `pipeline`, and what is said of the rest."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sfpipe.errors import PIPELINE
from tests.projects import write_stores

ROOT = Path(__file__).parents[1]
# Also what other packages that are installed here would bring along.
ABSENT = (*PIPELINE, "captum", "lilypond", "moviepy", "partitura", "pygame", "pyroomacoustics")
# Loaded by Python at start: hides packages as if they were not installed.
HIDE = f"""
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ImportError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hide())
"""
STORES = "scores='data/scores/toy.h5', spectrograms='data/spectrograms/toy.h5', split='test'"


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Run Python in a project with toy stores and without the extra: (code, output, errors)."""
    project = tmp_path_factory.mktemp("bare")
    write_stores(project)
    (project / "params.yaml").write_text("dataset: ryan\nalgo: ppo\nseed: 1\n")
    (project / "hide").mkdir()
    (project / "hide/sitecustomize.py").write_text(HIDE)
    paths = os.pathsep.join([str(project / "hide"), str(ROOT)])

    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": paths},
            cwd=project,
            capture_output=True,
            text=True,
            timeout=1200,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def test_the_packages_are_hidden(bare):
    code, _, errors = bare("-c", "import cv2")
    assert code == 1 and "No module named 'cv2'" in errors


def test_environments_play(bare):
    code = f"""
import gymnasium, sfpipe
env = gymnasium.make("sfpipe/ScoreFollowing-v0", {STORES})
env.reset(seed=1)
print(*(round(float(env.step(1)[1]), 3) for _ in range(2)))
games = gymnasium.make_vec("sfpipe/ScoreFollowing-v0", num_envs=2, {STORES})
games.reset(seed=1)
print(games.step(games.action_space.sample())[1].shape)
"""
    code, output, errors = bare("-c", code)
    assert (code, errors) == (0, "")
    assert output.splitlines()[1] == "(2,)"


@pytest.mark.parametrize("name", ["ryan-dagger", "nottingham-belief"])
def test_followers_follow(bare, name):
    code = f"""
import numpy as np
from sfpipe.following.registry import load_follower
from sfpipe.store.reader import read_scores
follower = load_follower({str(ROOT / "models/pretrained" / name)!r})
follower.reset(read_scores("data/scores/toy.h5")["tune2"])
print(*(float(follower.step(np.zeros(78, np.float32))) for _ in range(3)))
"""
    code, output, errors = bare("-c", code)
    assert (code, errors) == (0, "")
    assert len([float(place) for place in output.split()]) == 3


def test_a_picture_names_the_extra(bare):
    code = f"""
import gymnasium, sfpipe
env = gymnasium.make("sfpipe/ScoreFollowing-v0", render_mode="rgb_array", {STORES})
env.reset(seed=1)
env.render()
"""
    code, _, errors = bare("-c", code)
    assert code == 1
    last = errors.splitlines()[-1]
    assert last.endswith("SfpipeError: cv2 is not installed -> pip install 'sfpipe[pipeline]'")


def test_a_command_names_the_extra_in_one_line(bare):
    code, _, errors = bare(
        "-c", "import sys; sys.argv[1:] = ['download']; from sfpipe.cli import main; main()"
    )
    assert code == 1
    line = re.fullmatch(
        "sfpipe: (.*) is not installed -> pip install 'sfpipe\\[pipeline]'\n", errors
    )
    assert line and line[1] in PIPELINE
