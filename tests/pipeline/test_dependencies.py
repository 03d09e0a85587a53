"""dvc.yaml against the code: what a stage imports, is given, reads and writes."""

import ast
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sfpipe.params import Params
from sfpipe.paths import Paths
from tests.pipeline.closure import MAKING_DATA, ROOT, closure, imports

ORDER = (*MAKING_DATA, "train-params", "train", "evaluate", "midi-odtw", "report")
TUNES = "tunes"  # one stage per entry of download.folders, of no room of sfpipe/
# Baselines have one command, and a stage each: those of the second pipeline take longer.
BASELINES = ("midi-odtw", "omr-odtw", "mm-loc")
# Functions of followers that a stage never loads, so that what they import is no dep of it.
_REGISTRY = "sfpipe/following/registry.py:"
_LOADERS = {name: f"{_REGISTRY}_{name.replace('-', '_')}" for name in BASELINES}
_TRAINING = "sfpipe/evaluation/baseline.py:_train"
_BARS = "sfpipe/following/anywhere.py:bars_on"  # in the pipeline all follow in order
UNUSED = {
    "evaluate": {*_LOADERS.values(), _BARS},
    "report": {*_LOADERS.values(), _BARS},
    "midi-odtw": {_LOADERS["omr-odtw"], _LOADERS["mm-loc"], _TRAINING, _BARS},
    "omr-odtw": {_LOADERS["midi-odtw"], _LOADERS["mm-loc"], _TRAINING, _BARS},
    "mm-loc": {_LOADERS["midi-odtw"], _LOADERS["omr-odtw"], _BARS},
}

# The package's __init__ holds the version and registers the Gymnasium environments; no stage's
# result depends on it. (commands/ and paths.py say what dvc.yaml says, which is checked below.)
NOT_TRACKED = {"sfpipe/__init__.py"}

# Rooms from front to back; within a tuple, neither knows the other. ARCHITECTURE: a room imports
# no room that comes after it.
ROOMS = (
    ("errors",),
    ("files",),
    ("params", "progress"),
    ("paths", "parallel"),
    ("store", "sandbox"),
    ("notation",),
    ("datasets",),
    ("engraving",),
    ("cleaning", "omr", "alignment"),
    ("audio", "score"),
    ("real_performances",),
    ("importers", "pages"),
    ("game",),
    ("agents",),
    ("belief",),
    ("baselines",),
    ("following",),
    ("training",),
    ("evaluation",),
    ("inspection",),
    ("doctor", "publishing"),
    ("viewing",),
    ("live",),
    ("commands",),
    ("cli",),
    ("__main__",),
)


@cache
def read(file: str, dataset: str = "toy") -> dict:
    text = (ROOT / file).read_text("utf-8").replace("${dataset}", dataset)
    return YAML(typ="safe").load(text)


def stages() -> dict:
    """Of the main pipeline, without `tunes`, which reads the users' own folders."""
    return {name: stage for name, stage in read("dvc.yaml")["stages"].items() if name != TUNES}


def baseline_stages() -> dict:
    return read("pipelines/baselines/dvc.yaml")["stages"]


def command_of(stage: str) -> str:
    return "baseline" if stage in BASELINES else stage.replace("-", "_")


# The second pipeline: its stages and the modules that they run.
REAL = {
    "download": "sfpipe.datasets.stage",
    "engrave": "sfpipe.engraving.stage",
    "clean": "sfpipe.cleaning.stage",
    "scores": "sfpipe.score.stage",
    "performances": "sfpipe.real_performances.stage",
    "evaluate": "sfpipe.evaluation.real",
}


def real_stages() -> dict:
    return read("pipelines/real/dvc.yaml")["stages"]


def names(entries: list) -> list[str]:
    """Paths of deps or outs, which may carry options."""
    return [next(iter(e)) if isinstance(e, dict) else e for e in entries]


@cache
def commands() -> dict[str, ast.FunctionDef]:
    files = sorted((ROOT / "sfpipe/commands").glob("*.py"))
    bodies = [ast.parse(file.read_text("utf-8")).body for file in files]
    return {n.name: n for body in bodies for n in body if isinstance(n, ast.FunctionDef)}


def attributes_of(command: str, variable: str) -> set[str]:
    """All x of `variable.x` in a command."""
    return {
        node.attr
        for node in ast.walk(commands()[command])
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == variable
    }


def stage_module(command: str) -> str:
    """The module that a command imports its stage from."""
    found = [
        node.module
        for node in ast.walk(commands()[command])
        if isinstance(node, ast.ImportFrom) and node.module
        if any(alias.asname == "stage" for alias in node.names)
    ]
    assert len(found) == 1, f"{command}: {found}"
    return found[0]


def test_stages_are_the_commands_in_order():
    assert tuple(stages()) == ORDER
    every = stages() | baseline_stages()
    assert set(every) == {*ORDER, *BASELINES}
    for name, stage in every.items():
        command = f"sfpipe baseline {name}" if name in BASELINES else f"sfpipe {name}"
        follow = " --follow follow.html" if name == "report" else ""
        assert stage["cmd"] == f"{command} --dataset toy{follow}"
        assert command_of(name) in commands()


def rooms_of(module: str, stage: str = "") -> set[str]:
    """The rooms (folders and files right under sfpipe/) that a module needs for a stage."""
    without = frozenset(UNUSED.get(stage, ()))
    return {"/".join(Path(file).parts[:2]) for file in closure(module, without) - NOT_TRACKED}


@pytest.mark.parametrize("stage", dict.fromkeys([*ORDER, *BASELINES]))
def test_deps_are_the_rooms_that_the_stage_imports(stage):
    found = (stages() | baseline_stages())[stage]
    code = {d for d in names(found["deps"]) if d.startswith("sfpipe/")}
    assert code == rooms_of(stage_module(command_of(stage)), stage)


def test_functions_that_no_stage_calls_exist():
    for function in {name for unused in UNUSED.values() for name in unused}:
        file, _, name = function.partition(":")
        assert f"def {name}(" in (ROOT / file).read_text("utf-8"), function


def test_data_files_beside_the_code_are_deps_of_those_who_read_them():
    beside = {str(p.relative_to(ROOT)) for p in (ROOT / "sfpipe").rglob("*.csv")}
    beside -= {"sfpipe/evaluation/paper.csv"}  # `sfpipe tables` reads it, which is no stage
    for file in beside:
        folder = str(Path(file).parent)
        readers = [s for s in ORDER if {file, folder} & set(names(stages()[s]["deps"]))]
        assert readers, file


def test_tools_of_the_closure():
    """The check above sees imports inside functions, and not those for type checkers."""
    assert "sfpipe/training/ppo.py" in closure("sfpipe.training.stage")
    assert "sfpipe/game/players.py" in closure("sfpipe.training.stage")
    assert "sfpipe/game/play.py" not in imports("sfpipe/evaluation/report.py")
    assert "sfpipe/store/__init__.py" in closure("sfpipe.store.reader")


@pytest.mark.parametrize("stage", ORDER)
def test_params_are_those_that_the_command_passes(stage):
    passed = attributes_of(command_of(stage), "p") & set(Params.model_fields)
    by = "train-params" if stage == "train" else stage  # from whose file DVC sees what changed
    listed = {name.split(".")[0] for name in stages()[by]["params"]}
    assert listed <= set(Params.model_fields)
    if stage == "report":  # its page plays a tune again where there is no recording of it
        passed = {"seed", "synthesize"}
    # The data set is in the command and in all paths.
    assert listed - {"dataset"} == passed - {"dataset"}


def test_baselines_get_their_own_parameters():
    for name, stage in (stages() | baseline_stages()).items():
        own = {p for p in stage.get("params", ()) if p.startswith("baselines.")}
        if name in BASELINES:
            kinds = {"midi-odtw": {"odtw"}, "omr-odtw": {"odtw", "omr"}, "mm-loc": {"mm_loc"}}
            assert own == {f"baselines.{kind}" for kind in kinds[name]}
            assert stage["outs"][-1] == {f"metrics/baselines/{name}.json": {"cache": False}}
        else:
            assert own == set()
    assert baseline_stages()["mm-loc"]["outs"][0] == "models/baselines/mm-loc"


def test_every_parameter_is_used():
    every = [*stages().values(), *baseline_stages().values(), *real_stages().values()]
    used = {name.split(".")[0] for stage in every for name in stage.get("params", ())}
    assert set(Params.model_fields) - used == set()


DATA = ("download", "engrave", "clean", "synthesize", "spectrograms", "scores")


@pytest.mark.parametrize("stage", ORDER)
def test_paths_are_those_that_the_command_passes(stage):
    paths = Paths("toy")
    passed = {str(getattr(paths, name)) for name in attributes_of(command_of(stage), "paths")}
    if stage == "report":  # it passes all of them on
        passed = {str(getattr(paths, x)) for x in ("audio", "engraved", "scores", "spectrograms")}
    deps = {d for d in names(stages()[stage]["deps"]) if d.startswith("data/")}
    outs = {o for o in names(stages()[stage]["outs"]) if o.startswith("data/")}
    if stage == "download":  # its command reads the folder that the checksums are of
        deps.remove("data/tunes")
    assert deps | outs == passed
    assert not deps & outs
    assert len(outs) == (1 if stage in DATA else 0)


def constants(command: str) -> set[str]:
    """All strings in a command."""
    return {
        node.value
        for node in ast.walk(commands()[command])
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_training_and_evaluation_write_where_the_command_does():
    assert names(stages()["train"]["outs"]) == ["models/agent", "metrics/train"]
    assert {"models/agent", "metrics/train"} <= constants("train")
    assert names(stages()["train-params"]["outs"]) == ["models/train-params.json"]
    assert {"models/train-params.json"} <= constants("train_params")
    assert "models/train-params.json" in names(stages()["train"]["deps"])
    folder = "metrics"
    assert {"models/agent", folder} <= constants("evaluate")
    assert "models/agent" in names(stages()["evaluate"]["deps"])
    outs = [f"{folder}/{name}" for name in ("eval.json", "headline.json", "pieces.csv", "plots")]
    assert names(stages()["evaluate"]["outs"]) == outs
    assert "metrics/baselines" in constants("baseline")
    assert {"metrics", "report.html"} <= constants("report")
    assert names(stages()["report"]["outs"]) == ["report.html", "follow.html"]


@pytest.mark.parametrize("stage", REAL)
def test_deps_of_the_pipeline_of_human_performances(stage):
    assert tuple(real_stages()) == tuple(REAL)
    found = real_stages()[stage]
    assert found["cmd"].split()[:2] == ["sfpipe", stage]
    assert found["cmd"].endswith("--dataset vienna4x22")
    code = {d for d in found["deps"] if d.startswith("sfpipe/")}
    assert code == rooms_of(REAL[stage])
    made = {o for s in REAL for o in names(real_stages()[s]["outs"])} | {"models/agent"}
    assert {d for d in found["deps"] if not d.startswith("sfpipe/")} <= made
    params = {name.split(".")[0] for name in found["params"]}
    if stage in stages():
        command = {"seed"} | {name.split(".")[0] for name in stages()[stage].get("params", ())}
        assert params - {"synthesize", "baselines"} <= command


def test_performances_get_the_parameters_and_paths_of_their_pipeline():
    found = real_stages()["performances"]
    passed = attributes_of("performances", "p")
    assert passed == {name.split(".")[0] for name in found["params"]}
    paths = Paths("vienna4x22")
    given = {str(getattr(paths, name)) for name in attributes_of("performances", "paths")}
    data = {d for d in found["deps"] if d.startswith("data/")}
    assert given == data | set(names(found["outs"]))


def test_results_on_human_performances_are_outputs_of_one_stage():
    found = real_stages()["evaluate"]
    mine = {*names(found["outs"]), *found["plots"]}
    assert mine == {"metrics/real.json", "metrics/real"}
    others = [o for stage in stages().values() for o in names(stage["outs"])]
    inside = [o for o in others for m in mine if f"{m}/".startswith(f"{o}/")]
    assert inside == [], "DVC would remove them before that stage runs"


def test_every_input_is_made_by_an_earlier_stage():
    made = {str(Path(o).parent) for o in read("dvc.yaml")["stages"][TUNES]["do"]["outs"]}
    assert made == {"data/tunes"}
    for stage in ORDER:
        inputs = {d for d in names(stages()[stage]["deps"]) if not d.startswith("sfpipe/")}
        assert inputs <= made, stage
        made |= set(names(stages()[stage]["outs"]))


def test_the_pipeline_is_short_to_read():
    assert len((ROOT / "dvc.yaml").read_text("utf-8").splitlines()) <= 200


def test_metrics_and_plots_are_outputs():
    top = read("dvc.yaml")
    outs = {o for stage in stages().values() for o in names(stage["outs"])}
    shown = [*top["metrics"], *names(top["plots"])]
    assert shown
    for file in shown:
        assert any(file == out or file.startswith(out + "/") for out in outs), file


def room_of(file: str) -> int:
    room = Path(file).parts[1].removesuffix(".py")
    return next(i for i, rooms in enumerate(ROOMS) if room in rooms)


def test_no_room_imports_one_that_comes_after_it():
    wrong = []
    for path in sorted((ROOT / "sfpipe").rglob("*.py")):
        file = str(path.relative_to(ROOT))
        if file in NOT_TRACKED:
            continue
        for module in imports(file):
            other = module.replace(".", "/")
            if other.split("/")[1] == Path(file).parts[1].removesuffix(".py"):
                continue
            if room_of(other) >= room_of(file):
                wrong.append(f"{file} imports {module}")
    assert wrong == []
