"""Publishing an agent beside its figures."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from sfpipe.agents.agent import PRETRAINED, find_agent
from sfpipe.agents.weights import WEIGHTS
from sfpipe.errors import SfpipeError
from sfpipe.files import sha256
from sfpipe.following.registry import load_follower
from sfpipe.params import AugmentParams
from sfpipe.publishing import describe_published, publish
from tests.pipeline.closure import ROOT


@pytest.fixture
def trained(tmp_path):
    agent, results = tmp_path / "agent", tmp_path / "eval.json"
    agent.mkdir()
    weights = {"w": torch.tensor([1.0, 1 / 3]), "n": torch.tensor([7])}
    save_file(weights, str(agent / "weights.safetensors"))
    card = {
        "algo": "ppo",
        "seed": 1,
        "window": "nottingham",
        "params": {"common": {"warm_start": "dagger"}},
        "data": {"scores": "ab", "spectrograms": "cd"},
        "frames": 123456,
        "hours": 0.5,
        "device": "cpu",
        "bfloat16": True,
        "training_pieces": 7,
        "training_performances": 14,
        "versions": {"sfpipe": "0", "torch": "1"},
        "revision": "f00",
    }
    (agent / "agent.json").write_text(json.dumps(card))
    figures = {
        "r_tue": 0.9,
        "r_on": 0.95,
        "abs_dx_cm": {"mean": 0.06, "std": 0.1},
        "ci95": {k: {"low": 0.8, "high": 0.99} for k in ("r_tue", "r_on")},
        "reference_counting": {
            "r_tue": 0.91,
            "r_on": 0.96,
            "abs_dx_cm": {"mean": 0.05, "std": 0.1},
        },
    }
    evaluation = {
        **figures,
        "n_pieces": 3,
        "n_performances": 3,
        "n_onsets": 1234,
        "seed": 1,
        "players": {"agent_argmax": figures, "optimal": figures},
        "meta": {
            "split": "test",
            "algo": "ppo",
            "agent_frames": 123456,
            "policy": "stochastic",
        },
    }
    results.write_text(json.dumps(evaluation))
    return agent, results


def test_the_card_names_the_agent_it_started_from(trained, tmp_path):
    agent, results = trained
    card = json.loads((agent / "agent.json").read_text())
    started = {"agent": "nottingham-dagger", "weights": "ab", "frames": 654321}
    (agent / "agent.json").write_text(json.dumps(card | {"start_from": started}))
    folder = publish("nottingham-ppo", agent, results, out=tmp_path / "pretrained")
    line = (
        "| learnt by | dagger then ppo, from the weights of `nottingham-dagger`"
        " (654,321 frames; not published) |"
    )
    assert line in (folder / "README.md").read_text().splitlines()


def test_the_card_says_so_if_that_agent_is_another_one_now(trained, tmp_path):
    agent, results = trained
    out = tmp_path / "pretrained"
    whole = sha256(agent / WEIGHTS)  # what trained, and not the float16 ones that are published
    began = {"agent": "nottingham-dagger", "weights": whole, "frames": 654321}
    card = json.loads((agent / "agent.json").read_text())
    publish("nottingham-dagger", agent, results, out=out)
    (agent / "agent.json").write_text(json.dumps(card | {"start_from": began}))
    same = (publish("nottingham-ppo", agent, results, out=out) / "README.md").read_text()
    assert "from the weights of `nottingham-dagger` (654,321 frames) |" in same
    save_file({"w": torch.tensor([2.0])}, str(agent / WEIGHTS))
    publish("nottingham-dagger", agent, results, out=out)
    other = (publish("nottingham-ppo", agent, results, out=out) / "README.md").read_text()
    says = "an earlier `nottingham-dagger` (654,321 frames; no longer published) |"
    assert f"from the weights of {says}" in other


@pytest.mark.parametrize("folder", sorted((ROOT / PRETRAINED).iterdir()), ids=lambda f: f.name)
def test_cards_of_the_published_agents_are_up_to_date(folder):
    """Else publish again: `sfpipe publish NAME --agent FOLDER --results FOLDER/eval.json`."""
    read = {p.name: json.loads(p.read_text("utf-8")) for p in folder.glob("*.json")}
    parts = read["agent.json"], read["eval.json"], read.get("real.json")
    wanted = describe_published(folder.name, *parts, ROOT / PRETRAINED).splitlines()
    found = (folder / "README.md").read_text("utf-8").splitlines()
    # The machine in the line of hours is the one that published.
    assert [line for line in found if "| hours" not in line] == [
        line for line in wanted if "| hours" not in line
    ]


def test_results_of_each_piece_are_published_with_the_agent(trained, tmp_path):
    agent, results = trained
    pieces = results.with_name("pieces.csv")
    pieces.write_text("piece,lost\njig,1\n")
    folder = publish("x", agent, results, out=tmp_path / "out")
    assert (folder / "pieces.csv").read_text() == "piece,lost\njig,1\n"
    # Published from where it was published, as when a card is to be written again.
    publish("x", folder, folder / "eval.json", out=tmp_path / "out")
    assert (folder / "pieces.csv").read_text() == "piece,lost\njig,1\n"
    pieces.unlink()
    publish("x", agent, results, out=tmp_path / "out")
    assert not (folder / "pieces.csv").exists()


def test_the_card_says_from_which_revision_the_agent_is(trained, tmp_path):
    agent, results = trained
    known = (publish("x", agent, results, out=tmp_path) / "README.md").read_text()
    assert "torch 1, revision `f00` |" in known
    card = json.loads((agent / "agent.json").read_text())
    (agent / "agent.json").write_text(json.dumps(card | {"revision": None}))
    unknown = (publish("x", agent, results, out=tmp_path) / "README.md").read_text()
    assert "torch 1, not in a git checkout |" in unknown and "None" not in unknown


def test_the_card_says_what_was_heard_in_training(trained, tmp_path):
    agent, results = trained
    plain = (publish("x", agent, results, out=tmp_path) / "README.md").read_text()
    assert "14 performances |" in plain and "a human performance" in plain
    card = json.loads((agent / "agent.json").read_text())
    (agent / "agent.json").write_text(json.dumps(card | {"augmented_performances": 6}))
    augmented = (publish("x", agent, results, out=tmp_path) / "README.md").read_text()
    assert "14 performances, 6 of them augmented |" in augmented
    assert "`synthesize.augment`" in augmented and "rooms and noise" in augmented
    assert (
        "| augmented by | `synthesize.augment`, whose parameters were not recorded |" in augmented
    )
    assert "augmented by" not in plain
    made = AugmentParams(copies=2, noise_share=0).model_dump(mode="json")
    card |= {"augmented_performances": 6, "augment": made}
    (agent / "agent.json").write_text(json.dumps(card))
    augmented = (publish("x", agent, results, out=tmp_path) / "README.md").read_text()
    assert (
        "| augmented by | `synthesize.augment`: copies 2, tempo 0.5 to 2, drift_s 8, " in augmented
    )
    assert ", noise_share 0, snr_db 10 to 40, room_share 0.5, rt60_s 0.25 to 0.9 |" in augmented
    made = AugmentParams(copies=2, programs=[0, 68], cents=50).model_dump(mode="json")
    (agent / "agent.json").write_text(json.dumps(card | {"augment": made}))
    instruments = (publish("x", agent, results, out=tmp_path) / "README.md").read_text()
    assert ", cents 50, programs 0 68, vibrato_share 0.5, slur_share 0.5 |" in instruments
    assert "on synthesised instruments" in instruments and "piano" not in instruments


def test_the_card_names_data_sets_and_their_licences(trained, tmp_path):
    agent, results = trained
    card = json.loads((agent / "agent.json").read_text())
    card |= {"augmented_performances": 6, "augment": None, "datasets": ["asap", "mine"]}
    (agent / "agent.json").write_text(json.dumps(card))
    told = (publish("x", agent, results, out=tmp_path) / "README.md").read_text()
    assert "| data sets | `asap` (CC BY-NC-SA 4.0), `mine` |" in told
    assert "for non-commercial use" in told and "one engraver" not in told
    assert "without repeats to jump back to and without other instruments" in " ".join(told.split())


def test_the_card_of_an_agent_that_learnt_from_jumps_does_not_say_otherwise(trained, tmp_path):
    agent, results = trained
    card = json.loads((agent / "agent.json").read_text())
    card["params"]["belief"] = {"jump_share": 0.5}
    (agent / "agent.json").write_text(json.dumps(card))
    told = (publish("x", agent, results, out=tmp_path) / "README.md").read_text()
    assert "typography, without wrong notes: a human" in " ".join(told.split())


def test_a_published_agent_is_found_by_name_and_says_what_it_can(trained, tmp_path):
    folder = publish("nottingham-ppo", *trained, out=tmp_path / "pretrained")
    assert (
        find_agent(folder.relative_to(tmp_path / "pretrained"), tmp_path / "pretrained") == folder
    )
    assert find_agent(trained[0], tmp_path / "pretrained") == trained[0]
    assert load_file(str(folder / WEIGHTS))["w"].tolist() == [1.0, 0.333251953125]
    card = (folder / "README.md").read_text()
    for said in (
        "123,456",
        "dagger then ppo",
        "0.950 [0.800-0.990]",
        "0.91, 0.96",
        "`ab`",
        "argmax",
    ):
        assert said in card


def test_human_performances_are_on_the_card(trained, tmp_path):
    agent, results = trained
    figures = json.loads(results.read_text())
    room = {
        "label": "room",
        "simulated": True,
        "followers": {"ppo": figures, "ppo-argmax": figures},
    }
    meta = {"dataset": "vienna4x22", "algo": "ppo", "agent_frames": 123456}
    real = tmp_path / "real.json"
    real.write_text(json.dumps({"conditions": {"room": room}, "meta": meta}))
    folder = publish("x", agent, results, out=tmp_path / "out", real=real)
    assert json.loads((folder / "real.json").read_text())["meta"] == meta
    card = (folder / "README.md").read_text()
    assert "## On human performances: `vienna4x22`" in card
    assert "| room (simulated), argmax | 0.900 [0.800-0.990] | 0.950" in card
    real.write_text(json.dumps({"conditions": {}, "meta": meta | {"agent_frames": 5}}))
    with pytest.raises(SfpipeError, match=r"real\.json: the results are those of another agent"):
        publish("y", agent, results, out=tmp_path / "out", real=real)
    assert not (tmp_path / "out/y").exists()
    real.write_text(json.dumps({"conditions": {"room": {"entrants": {}}}, "meta": meta}))
    with pytest.raises(SfpipeError, match=r"real\.json: is of an earlier version, whose 'foll"):
        publish("y", agent, results, out=tmp_path / "out", real=real)


def test_figures_of_another_agent_are_refused(trained, tmp_path):
    agent, results = trained
    card = json.loads((agent / "agent.json").read_text())
    (agent / "agent.json").write_text(json.dumps(card | {"frames": 5}))
    with pytest.raises(SfpipeError, match="another agent"):
        publish("x", agent, results, out=tmp_path / "pretrained")
    assert not (tmp_path / "pretrained").exists()
    shutil.rmtree(agent)
    with pytest.raises(SfpipeError, match="train an agent first"):
        publish("x", agent, results, out=tmp_path / "pretrained")


def test_published_again_without_them_human_performances_are_gone(trained, tmp_path):
    agent, results = trained
    out = tmp_path / "out"
    folder = publish("x", agent, results, out=out)
    (folder / "real.json").write_text("{}")
    publish("x", agent, results, out=out)
    assert not (folder / "real.json").exists()


def test_without_weights_nothing_is_published(trained, tmp_path):
    agent, results = trained
    (agent / WEIGHTS).unlink()
    with pytest.raises(SfpipeError, match=r"weights\.safetensors: no such file -> train an agent"):
        publish("x", agent, results, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_are_published_in_float16_with_both_figures(trained, tmp_path):
    agent, results = trained
    folder = publish("x", agent, results, out=tmp_path / "out")
    halved = load_file(str(folder / WEIGHTS))
    assert halved["w"].tolist() == [1.0, 0.333251953125] and halved["w"].dtype == torch.float16
    assert halved["n"].tolist() == [7]
    text = (folder / "README.md").read_text()
    assert "| float16; the agent's figures below are of those trained, in float32 |" in text
    # The agent that was published is evaluated, and published again with its own figures.
    evaluation = json.loads(results.read_text())
    results.write_text(json.dumps(evaluation | {"r_on": 0.94}))
    publish("x", folder, results, out=tmp_path / "out")
    says = "float16; those trained, in float32, reach R_tue 0.900, R_on 0.950, abs dx 0.060 cm |"
    text = (folder / "README.md").read_text()
    assert says in text
    assert "| 0.940 [0.800-0.990] |" in text
    # Of other pieces than those evaluated now, it says how many.
    pieces = evaluation["n_pieces"]
    results.write_text(json.dumps(evaluation | {"n_pieces": pieces + 1}))
    publish("x", folder, results, out=tmp_path / "out")
    text = (folder / "README.md").read_text()
    assert says.replace(" |", f" on {pieces} pieces |") in text
    whole = publish("x", agent, results, out=tmp_path / "whole", half=False)
    assert load_file(str(whole / WEIGHTS))["w"].dtype == torch.float32
    assert "| weights |" not in (whole / "README.md").read_text()


def test_all_published_agents_are_small_and_load(monkeypatch):
    monkeypatch.chdir(ROOT)
    files = [path for path in PRETRAINED.rglob("*") if path.is_file()]
    assert sum(file.stat().st_size for file in files) < 44 << 20
    for file in PRETRAINED.glob(f"*/{WEIGHTS}"):
        follower = load_follower(file.parent.name)
        assert follower.name == file.parent.name
        network = follower.network or follower.frames.network
        assert {w.dtype for w in network.parameters()} == {torch.float32}
