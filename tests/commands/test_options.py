"""Options, params.yaml and names with mistakes: one line each."""

import pytest
import torch

from tests.commands.conftest import PARAMS, files
from tests.pipeline.closure import MAKING_DATA

STAGES = (*MAKING_DATA, "performances", "train")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["trian"], "No such command 'trian'"),
        (["train", "--dataste", "x"], "No such option: --dataste"),
        (["engrave", "--jobs", "many"], "--jobs"),
        (["inspect"], "Missing argument"),
        (["show-alignment", "--random", "0"], "--random"),
    ],
)
def test_wrong_usage(project, sfpipe, arguments, says):
    before = files(project)
    code, out, err = sfpipe(*arguments)
    assert code == 2
    assert out == ""
    assert says in err
    assert "Traceback" not in err
    assert files(project) == before


@pytest.mark.parametrize("command", STAGES)
def test_params_file_is_missing(refuses, command):
    refuses(command, "--params", "other.yaml", file="other.yaml", says="no such file")


def test_params_with_mistakes(project, refuses):
    path = project / "params.yaml"
    path.write_text(PARAMS.replace("num_envs", "num_env"))
    line = refuses("train", file="params.yaml", says="unknown key 'train.a2c.num_env'")
    assert line.endswith("did you mean 'train.a2c.num_envs'?")
    path.write_text(PARAMS.replace("algo: a2c", "algo: a3c"))
    refuses("train", file="params.yaml", says="'algo': Input should be 'reinforce', 'a2c'")
    path.write_text(PARAMS.replace("preset: paper", "preset: papre"))
    refuses("train", file="params.yaml", says="preset 'papre' is none of demo, scratch, paper")
    path.write_text("seed: [")
    refuses("train", file="params.yaml", says="is not valid YAML")
    path.write_text("")
    refuses("train", file="params.yaml", says="does not consist of keys and values")


def test_unknown_data_set(refuses):
    line = refuses("download", "--dataset", "ryen", file="", says="unknown data set 'ryen'")
    assert "did you mean 'ryan'?" in line
    refuses("engrave", "--dataset", "ryen", file="data/raw/ryen/index.json", says="no such file")
    refuses("train", "--dataset", "../x", file="", says="is no name of a data set")


def test_options_out_of_range(refuses):
    refuses("evaluate", "--trials", "0", file="", says="'trials': Input should be greater than")
    refuses("evaluate", "--split", "tset", file="", says="'split': Input should be 'train'")


def test_no_gpu(project, refuses):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    text = (project / "params.yaml").read_text().replace("device: cpu", "device: cuda")
    (project / "params.yaml").write_text(text)
    refuses("train", file="", says="no CUDA device is available")
    refuses("evaluate", file="", says="no CUDA device is available")
