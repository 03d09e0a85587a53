"""An agent with a memory from the parameters to the tables, by the commands one would use."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from sfpipe.agents.agent import CARD, load_agent
from sfpipe.belief.agent import load_belief
from sfpipe.cli import app
from sfpipe.errors import SfpipeError
from sfpipe.params import BeliefFilterParams, EvaluateParams, TrainParams, override
from sfpipe.training.stage import train
from tests.projects import write_stores
from tests.toy import NOTTINGHAM

PARAMS = """
dataset: toy
algo: belief
seed: 1
train:
  common: {device: cpu}
  belief: {max_updates: 2, crops: 1, frames: 10, places: 64, evaluate_every: 1}
evaluate: {trials: 2, device: cpu}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A project folder with stores and a trained agent."""
    root = tmp_path_factory.mktemp("project")
    (root / "params.yaml").write_text(PARAMS)
    write_stores(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        result = CliRunner().invoke(app, ["train"])
        assert result.exit_code == 0, result.output
    return root


@pytest.fixture
def project(trained, monkeypatch):
    monkeypatch.chdir(trained)
    return trained


def test_the_stage_leaves_agent_card_and_curves(project):
    network, own, card = load_belief(project / "models/agent")
    assert network.window == NOTTINGHAM
    assert own == BeliefFilterParams()
    assert (card["algo"], card["seed"], card["state"]["updates"]) == ("belief", 1, 2)
    assert card["filter"] == BeliefFilterParams().model_dump()
    assert set(card["params"]) == {"common", "belief"}
    assert card["frames"] > 0
    assert len(card["curve"]) == 2
    assert (project / "metrics/train/plots/metrics/validation_r_on.tsv").is_file()
    assert not list((project / "models/checkpoints").glob("*.pt"))


def test_the_same_seed_trains_the_same_agent(project, tmp_path):
    params = TrainParams(
        common={"device": "cpu"},
        belief={"max_updates": 2, "crops": 1, "frames": 10, "places": 64, "evaluate_every": 1},
    )
    stores = (project / "data/scores/toy.h5", project / "data/spectrograms/toy.h5")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(params, *stores, tmp_path / name, algo="belief", seed=seed)
    a, b, c = (load_file(tmp_path / name / "weights.safetensors") for name in "abc")
    assert all((a[k] == b[k]).all() for k in a)
    assert any((a[k] != c[k]).any() for k in a)


def test_it_is_evaluated_shown_published_and_put_into_the_tables(project, sfpipe):
    code, out, err = sfpipe("evaluate")
    assert code == 0, err
    results = json.loads((project / "metrics/eval.json").read_text())
    assert results["meta"]["policy"] == "planned"
    assert results["n_games"] == 1
    assert set(results["players"]) == {"optimal", "constant_speed"}
    assert sfpipe("publish", "toy-belief")[0] == 0
    card = (project / "models/pretrained/toy-belief/README.md").read_text()
    assert "with a memory" in card and "planned" in card and "Table" not in card
    code, out, err = sfpipe("tables")
    assert code == 0, err
    assert "| toy | toy-belief (belief) |" in out
    code, out, err = sfpipe("page", "--agent", "toy-belief")
    assert code == 0, err
    assert sfpipe("report")[0] == 0


def test_what_looks_into_the_paper_s_networks_refuses_it(project, sfpipe):
    for command in ("explain", "embed", "tempo"):
        code, _, err = sfpipe(command)
        assert code == 1
        assert "is no network of Tables 1 and 2" in err
        assert " -> name another agent" in err
    with pytest.raises(SfpipeError, match="does not hold this network's weights"):
        load_agent(project / "models/agent")


def test_a_training_begins_with_no_agent_of_another_kind(project, tmp_path):
    stores = (project / "data/scores/toy.h5", project / "data/spectrograms/toy.h5")
    params = TrainParams(common={"device": "cpu", "start_from": "models/agent"})
    with pytest.raises(SfpipeError, match="is another kind of agent than those of 'algo: ppo'"):
        train(params, *stores, tmp_path, algo="ppo", seed=1)


def test_a_training_begins_with_another_agent_s_weights(project, tmp_path):
    params = TrainParams(
        common={"device": "cpu", "start_from": "models/agent"},
        belief={
            "max_updates": 1,
            "crops": 1,
            "frames": 10,
            "places": 64,
            "evaluate_every": 1,
            "learning_rate": 1e-12,
            "final_learning_rate": 1e-12,
        },
    )
    stores = (project / "data/scores/toy.h5", project / "data/spectrograms/toy.h5")
    train(params, *stores, tmp_path / "b", algo="belief", seed=9)
    before = load_file(project / "models/agent/weights.safetensors")
    after = load_file(tmp_path / "b/weights.safetensors")
    assert torch.allclose(before["to_place.weight"], after["to_place.weight"], atol=1e-6)
    card = json.loads((tmp_path / "b" / CARD).read_text())
    assert card["start_from"]["agent"] == "agent"
    assert load_belief(tmp_path / "b")[0].score_steps == (1, 2, 4, 8)
    narrow = override(params, belief=override(params.belief, score_steps=[1, 4]))
    with pytest.raises(SfpipeError, match=r"has score_steps \[1, 2, 4, 8\], not \[1, 4\]"):
        train(narrow, *stores, tmp_path / "c", algo="belief", seed=9)


def test_a_training_takes_further_data_sets(trained, tmp_path, monkeypatch):
    """Another engraving of the same pieces, and the same sound: as many performances again."""
    for kind in ("scores", "spectrograms"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for name in ("toy", "toy-again"):
            shutil.copy(trained / f"data/{kind}/toy.h5", tmp_path / f"data/{kind}/{name}.h5")
    more = PARAMS.replace("device: cpu}", "device: cpu, also: [toy-again]}", 1)
    (tmp_path / "params.yaml").write_text(more)
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["train"]).exit_code == 0
    card = json.loads((tmp_path / "models/agent" / CARD).read_text())
    assert (card["training_pieces"], card["training_performances"]) == (2, 2)
    assert card["datasets"] == ["toy"]
    assert card["params"]["common"]["also"] == ["toy-again"]
    assert set(card["data"]) == {
        *("scores", "spectrograms"),
        *("toy-again scores", "toy-again spectrograms"),
    }


def test_published_agents_say_which_layers_they_have():
    folder = Path(__file__).parents[2] / "models/pretrained/nottingham-belief"
    network, own, _ = load_belief(folder)
    assert network.score_steps == (1, 2) and network.context == 35
    assert own.likelihood_exponent == 0.06 and own.tempo_std == 0.02


def test_a_card_that_does_not_say_is_refused(project, tmp_path):
    card = json.loads((project / "models/agent/agent.json").read_text())
    del card["params"]["belief"]["gains_db"]
    (tmp_path / CARD).write_text(json.dumps(card))
    with pytest.raises(SfpipeError, match="does not say which layers"):
        load_belief(tmp_path)


def test_a_filter_replaces_parts_of_the_agents_own():
    own = BeliefFilterParams(tempo_std=0.5, usual_tempo=0.09)
    assert own.replaced(EvaluateParams().filter) == own
    changed = own.replaced(EvaluateParams(filter={"tempo_std": 0.2}).filter)
    assert changed == BeliefFilterParams(tempo_std=0.2, usual_tempo=0.09)
