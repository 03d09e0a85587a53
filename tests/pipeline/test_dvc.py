"""DVC for real: the whole pipeline, what a changed parameter reruns, experiments, metrics, plots.

The tests follow one another in one project, as a user would.
"""

import json
import shutil
import sys

import pytest
from ruamel.yaml import YAML

from sfpipe.params import Params
from tests.pipeline.closure import ROOT
from tests.pipeline.test_dependencies import ORDER

# One worker runs them all (`pytest -n 2 --dist loadgroup`): the pipeline is made once.
pytestmark = pytest.mark.xdist_group("dvc")


@pytest.fixture(scope="module")
def made(project):
    """The project after its first `dvc repro`."""
    output = project.dvc("repro")
    # A baseline needs no agent: it may run before there is one.
    ran = [stage for stage in project.ran(output) if stage not in ("midi-odtw", "tunes@toy")]
    assert ran == sorted(ran, key=ORDER.index)
    assert set(project.ran(output)) == {"tunes@toy", *ORDER}
    assert project.ran(output)[0] == "tunes@toy"
    assert project.ran(output)[-1] == "report"
    end = output[output.index("Open in a browser:") :]
    assert "report.html" in end and "follow.html" in end
    project.commit("first run")
    return project


def status(project) -> dict[str, list]:
    return json.loads(project.dvc("status", "--json"))


def test_every_stage_ran_and_left_its_outputs(made):
    data = made.root / "data"
    clean = json.loads((data / "clean/toy.json").read_text())
    assert {split: len(names) > 0 for split, names in clean["accepted"].items()} == {
        "train": True,
        "valid": True,
        "test": True,
    }
    assert clean["rejected"] == {}
    results = json.loads((made.root / "metrics/eval.json").read_text())
    assert results["n_pieces"] == len(clean["accepted"]["test"])
    assert results["players"]["optimal"]["r_on"] == 1.0
    baseline = json.loads((made.root / "metrics/baselines/midi-odtw.json").read_text())
    assert baseline["n_pieces"] == results["n_pieces"]
    assert (baseline["r_tue"], baseline["r_on"]) == (1.0, 1.0)
    card = json.loads((made.root / "models/agent/agent.json").read_text())
    assert (card["algo"], card["frames"]) == ("ppo", 240)
    assert card["revision"] == made.git("rev-list", "--max-parents=0", "HEAD").strip()


def test_git_sees_no_data(made):
    """What DVC keeps is ignored; its small results are committed."""
    assert made.git("status", "--porcelain") == ""
    tracked = set(made.git("ls-files").splitlines())
    assert {
        "dvc.lock",
        "metrics/eval.json",
        "metrics/headline.json",
        "metrics/pieces.csv",
        "metrics/baselines/midi-odtw.json",
    } <= tracked
    large = [f for f in tracked if f.startswith(("data/", "models/", "runs/"))]
    assert [f for f in large if not f.endswith((".gitignore", "/README.md"))] == []


def test_second_run_does_nothing(made):
    output = made.dvc("repro")
    assert made.ran(output) == []
    assert "Data and pipelines are up to date." in output
    assert status(made) == {}


# Parameters, and the stages whose own inputs they are; those behind them follow by their outputs.
CHANGED = {
    "algo": ("a2c", {"train-params"}),
    "seed": (5, {"download", "synthesize", "train-params", "evaluate", "midi-odtw", "report"}),
    "download.max_pieces": (8, {"download"}),
    "engrave.staff_space_px": (4.0, {"engrave"}),
    "clean.min_onsets": (10, {"clean"}),
    "synthesize.gain": (0.3, {"synthesize", "midi-odtw", "report"}),
    "synthesize.train.per_piece": (2, {"synthesize", "midi-odtw", "report"}),
    "scores.height_px": (48, {"clean", "scores"}),
    "train.ppo.gamma": (0.8, {"train-params"}),
    "train.common.dropout": (0.1, {"train-params"}),
    "train.dagger.beta_frames": (70, {"train-params"}),
    "train.a2c.max_frames": (50, {"train-params"}),
    # The filter of an agent with a memory retrains nothing.
    "evaluate.filter": ({"tempo_std": 0.1}, {"evaluate"}),
    "evaluate.deterministic": (True, {"evaluate"}),
    "evaluate.trials": (3, {"evaluate", "midi-odtw"}),
    "evaluate.real_trials": (3, set()),
    "baselines.odtw.fading": (0.5, {"midi-odtw"}),
    "baselines.omr.stay": (0.5, set()),
    "baselines.mm_loc.max_minutes": (1, set()),
}

# In one process: starting DVC takes longer than its answers.
STATUS = """
import json, sys
from dvc.repo import Repo
from ruamel.yaml import YAML
yaml, found = YAML(), {}
text = open("params.yaml", encoding="utf-8").read()
for key, value in json.loads(sys.argv[1]).items():
    data = section = yaml.load(text)
    *sections, last = key.split(".")
    for name in sections:
        section = section[name]
    section[last] = value
    with open("params.yaml", "w", encoding="utf-8") as file:
        yaml.dump(data, file)
    with Repo(".") as repo:
        found[key] = sorted(repo.status())
with open("params.yaml", "w", encoding="utf-8") as file:
    file.write(text)
print(json.dumps(found))
"""


def test_a_changed_parameter_changes_the_stages_that_take_it(made):
    values = {key: value for key, (value, _) in CHANGED.items()}
    done = made.run(sys.executable, "-c", STATUS, json.dumps(values))
    found = json.loads(done.stdout.splitlines()[-1])
    assert {key: set(stages) for key, stages in found.items()} == {
        key: stages for key, (_, stages) in CHANGED.items()
    }


@pytest.mark.parametrize(
    ("key", "value"), [("a2c.max_frames", 50), ("belief.crops", 3), ("common.threads", 2)]
)
def test_what_this_training_does_not_use_does_not_retrain(made, key, value):
    made.set(f"train.{key}", value)
    assert made.ran(made.dvc("repro")) == ["train-params"]
    made.git("checkout", "-q", "params.yaml", "dvc.lock")
    assert status(made) == {}


def test_every_key_of_the_schema_belongs_to_a_stage(made):
    """So that no parameter can be changed without effect."""
    with open(made.root / "dvc.lock", encoding="utf-8") as file:
        lock = YAML(typ="safe").load(file)
    locked = set()
    for stage in lock["stages"].values():
        locked |= {key.split(".")[0] for key in stage.get("params", {}).get("params.yaml", [])}
    # Human performances are a pipeline of their own.
    with open(ROOT / "pipelines/real/dvc.yaml", encoding="utf-8") as file:
        real = YAML(typ="safe").load(file)["stages"].values()
    apart = {key.split(".")[0] for stage in real for key in stage.get("params", [])}
    assert locked | apart == set(Params.model_fields)
    assert apart - locked == {"real_performances"}


def test_evaluation_parameters_rerun_the_evaluation_only(made):
    made.set("evaluate.trials", 2)
    assert set(made.ran(made.dvc("repro"))) == {"evaluate", "midi-odtw", "report"}
    results = json.loads((made.root / "metrics/eval.json").read_text())
    assert results["trials"] == 2
    made.commit("two trials")


def test_only_stages_whose_inputs_changed_run_again(made):
    """Another limit of `clean` that rejects nothing: the same stores, so no new training."""
    made.set("clean.min_onsets", 9)
    ran = made.ran(made.dvc("repro"))
    assert ran[0] == "clean"
    assert set(ran) <= {"clean", "synthesize", "spectrograms", "scores"}
    assert status(made) == {}
    made.commit("another limit")


def test_an_experiment_without_a_git_identity(made):
    """`dvc exp run -S`, `exp show`, `metrics show`, `metrics diff`, `plots show`."""
    file = "metrics/headline.json"
    before = json.loads((made.root / file).read_text())
    assert made.run("git", "config", "user.name", fails=True).stdout == ""
    cold = "train.common.warm_start=null"
    output = made.dvc(
        "exp",
        "run",
        "-S",
        "algo=a2c",
        "-S",
        "train.a2c.max_frames=120",
        "-S",
        cold,
        "--name",
        "actor-critic",
    )
    assert made.ran(output) == ["train-params", "train", "evaluate", "report"]
    after = json.loads((made.root / file).read_text())
    assert json.loads((made.root / "metrics/eval.json").read_text())["meta"]["algo"] == "a2c"

    shown = json.loads(made.dvc("metrics", "show", "--json"))
    assert shown[""]["data"][file]["data"] == after
    assert "best_r_on" in shown[""]["data"]["metrics/train/metrics.json"]["data"]

    difference = json.loads(made.dvc("metrics", "diff", "--all", "--json"))
    # DVC wraps the differences only when a file of one side is missing.
    changed = difference.get("diff", difference)[file]["reward"]
    assert (changed["old"], changed["new"]) == (before["reward"], after["reward"])

    table = made.dvc("exp", "show", "--csv")
    header, *rows = table.splitlines()
    assert {"r_on", "reward", "algo"} <= {name.split(":")[-1] for name in header.split(",")}
    assert any("actor-critic" in row and "a2c" in row for row in rows)
    made.dvc("exp", "show", "--json")


def test_plots(made):
    folder = made.root / "shown"
    made.dvc("plots", "show", "-o", str(folder))
    page = (folder / "index.html").read_text("utf-8")
    for title in ("Tracking error at reached onsets", "Games still followed", "on validation"):
        assert title in page
    for picture in ("error_histogram.png", "survival.png", "tracking_error.png"):
        assert picture in page
    listed = json.loads(made.dvc("plots", "show", "--json"))
    errors = listed.get("errors", [])
    assert errors == []
    assert any("error_histogram.csv" in name for name in listed["data"])


@pytest.mark.slow
def test_the_baselines_that_take_longer_are_a_pipeline_of_their_own(made):
    """OMR-ODTW reads images, MM-Loc trains: its weights are an output like an agent's."""
    file = "pipelines/baselines/dvc.yaml"
    (made.root / file).parent.mkdir(parents=True)
    shutil.copy(ROOT / file, made.root / file)
    made.set("baselines.mm_loc", {"max_updates": 4, "evaluate_every": 2, "device": "cpu"})
    try:
        assert made.ran(made.dvc("repro", file)) == [f"{file}:omr-odtw", f"{file}:mm-loc"]
        assert (made.root / "models/baselines/mm-loc/weights.safetensors").is_file()
        made.set("baselines.omr.stay", 0.5)
        assert set(status(made)) == {f"{file}:omr-odtw"}
    finally:
        shutil.rmtree(made.root / "pipelines")
        made.git("checkout", "-q", "params.yaml")
