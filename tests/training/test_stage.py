"""The stage `train`: agent, card and curves; the real command, killed; other agents' weights."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import h5py
import pytest
import torch
from safetensors.torch import load_file

from sfpipe.agents.agent import load_agent
from sfpipe.agents.networks import ActorCritic
from sfpipe.errors import SfpipeError
from sfpipe.files import sha256
from sfpipe.params import AugmentParams, TrainParams
from sfpipe.store.bank import Bank, load_bank
from sfpipe.training.checkpoint import load_checkpoint
from sfpipe.training.first_weights import standardise
from sfpipe.training.session import Session
from sfpipe.training.stage import train
from tests.projects import write_stores
from tests.toy import NOTTINGHAM, performance_record, score_record

TIMEOUT = 1200  # s, for machines that are busy with other things

GAMES = {"num_envs": 2, "num_steps": 3}
TINY: dict = {
    "preset": "paper",
    "common": {
        "device": "cpu",
        "precision": "float32",
        "threads": 1,
        "checkpoint_seconds": 0,
        "warm_start": "dagger",
        "evaluate_every": 3,
    },
    "a2c": GAMES | {"max_frames": 60},
    "dagger": GAMES
    | {
        "max_frames": 60,
        "beta_frames": 30,
        "minibatch_size": 6,
        "transcription_coef": 0.0,
    },
}


def params(common: dict | None = None, **a2c) -> TrainParams:
    """TINY with some values of `common` and of `a2c` changed."""
    changes = {"common": TINY["common"] | (common or {}), "a2c": TINY["a2c"] | a2c}
    return TrainParams(**TINY | changes)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_stores(tmp_path)
    return tmp_path


def run_stage(root: Path, settings: TrainParams, seed: int = 1, out: str = "models/agent", **more):
    return train(
        settings,
        root / "data/scores/toy.h5",
        root / "data/spectrograms/toy.h5",
        root / out,
        algo="a2c",
        seed=seed,
        checkpoints=root / "models/checkpoints",
        **more,
    )


def test_the_stage_leaves_agent_card_and_curves(project):
    state = run_stage(project, params(), curves=project / "metrics/train")
    network, card = load_agent(project / "models/agent")
    assert network.window.name == "nottingham"
    assert (card["algo"], card["seed"], card["window"]) == ("a2c", 1, "nottingham")
    assert card["params"]["a2c"] == params().a2c.model_dump()
    assert set(card["params"]) == {"common", "dagger", "a2c"}
    assert card["data"] == {
        kind: sha256(project / f"data/{kind}/toy.h5") for kind in ("scores", "spectrograms")
    }
    assert card["frames"] == state.frames == 120
    assert card["validation_r_on"] == state.best["r_on"]
    assert (card["training_pieces"], card["training_performances"]) == (1, 1)
    assert card["augmented_performances"] == 0
    assert card["strip_height_px"] == 40
    # 70 px in 22 frames, from onset frame 2 to 24
    assert {"versions", "revision", "device", "bfloat16", "state"} <= set(card)
    assert [frames for frames, *_ in card["curve"]] == [18, 36, 54, 60, 72, 90, 108, 120]
    assert max(r_on for *_, r_on in card["curve"]) == pytest.approx(state.best["r_on"], abs=1e-4)
    assert not list((project / "models/checkpoints").glob("*"))
    curve = (project / "metrics/train/plots/metrics/validation_r_on.tsv").read_text().splitlines()
    assert curve[0].split("\t") == ["step", "validation_r_on"]
    assert [int(line.split("\t")[0]) for line in curve[1:]] == [18, 36, 54, 60, 72, 90, 108, 120]
    assert json.loads((project / "metrics/train/metrics.json").read_text())["step"] == 120


def test_first_weights_are_made_to_fit_the_data_but_not_those_of_another_agent(project):
    """With a rate of next to nothing, what is kept is what it began with."""
    still = {"max_frames": 6, "learning_rate": 1e-12}
    run_stage(project, params({"warm_start": None, "standardise": True}, **still), out="one")
    kept, card = load_agent(project / "one")
    assert card["params"]["common"]["standardise"] is True
    stores = project / "data/scores/toy.h5", project / "data/spectrograms/toy.h5"
    first = ActorCritic(kept.window).initialise(torch.Generator().manual_seed(1)).eval()
    plain = {name: value.clone() for name, value in first.state_dict().items()}
    bank = load_bank(*stores, kept.window, split="train")
    standardise(first, bank, torch.Generator().manual_seed(1))
    for name, value in first.state_dict().items():
        assert torch.allclose(kept.state_dict()[name], value, rtol=2e-3, atol=1e-5), name
    assert not torch.allclose(plain["score.0.weight"], first.score[0].weight, rtol=0.1)

    again = params({"warm_start": None, "standardise": True, "start_from": "one"}, **still)
    run_stage(project, again, seed=2, out="two")
    for name, value in load_agent(project / "two")[0].state_dict().items():
        assert torch.allclose(kept.state_dict()[name], value, rtol=2e-3, atol=1e-5), name


def stop_at_the_first_checkpoint(folder: Path) -> threading.Thread:
    """Send SIGTERM to this process once its training has saved something."""

    def watch() -> None:
        end = time.monotonic() + TIMEOUT
        while not list(folder.glob("[!.]*.pt")) and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_a_checkpoint_of_other_parameters_is_not_used(project):
    thread = stop_at_the_first_checkpoint(project / "models/checkpoints")
    with pytest.raises(SfpipeError, match="interrupted"):
        run_stage(project, params(max_frames=10**7))
    thread.join()
    left = list((project / "models/checkpoints").glob("*.pt"))
    assert len(left) == 1
    stored = load_checkpoint(left[0])["state"]["frames"]
    assert stored > 0
    assert run_stage(project, params(max_frames=66)).frames == 126
    assert run_stage(project, params(), seed=2).frames == 120
    assert list((project / "models/checkpoints").glob("*.pt")) == left
    assert load_checkpoint(left[0])["state"]["frames"] == stored


def test_killed_and_terminated_command_ends_with_the_same_weights(project):
    """The real command: SIGKILL, then SIGTERM, then to the end; against one that ran through."""
    settings = {
        "dataset": "toy",
        "algo": "a2c",
        "seed": 1,
        "train": json.loads(json.dumps(TINY)),
    }
    settings["train"]["a2c"].update(max_frames=150)
    settings["train"]["dagger"].update(max_frames=150)
    (project / "params.yaml").write_text(json.dumps(settings))  # JSON is YAML
    command = [sys.executable, "-c", "from sfpipe.cli import main; main()", "train", "--out"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def start(out: str) -> subprocess.Popen:
        return subprocess.Popen(
            [*command, out], stderr=subprocess.PIPE, text=True, env=environment, cwd=project
        )

    def frames_saved() -> int:
        found = list((project / "models/checkpoints").glob("[!.]*.pt"))
        try:
            return load_checkpoint(found[0])["state"]["frames"] if found else -1
        except SfpipeError:  # removed at this moment
            return -1

    def interrupt(number: int, after: int) -> str:
        run = start("interrupted")
        while run.poll() is None:
            if frames_saved() >= after:
                run.send_signal(number)
                break
            time.sleep(0.005)
        error = run.communicate(timeout=TIMEOUT)[1]
        assert run.returncode == (1 if number == signal.SIGTERM else -number), error
        return error

    through = start("through")
    assert through.wait(timeout=TIMEOUT) == 0, through.stderr.read()
    curve = project / "metrics/train/plots/metrics/validation_r_on.tsv"
    expected = curve.read_text()
    interrupt(signal.SIGKILL, 12)
    last = interrupt(signal.SIGTERM, 60).splitlines()[-1]
    assert last.startswith("sfpipe: models/checkpoints/")
    assert "training interrupted after" in last
    assert not (project / "interrupted").exists()
    finished = start("interrupted")
    assert finished.wait(timeout=TIMEOUT) == 0, finished.stderr.read()
    a, b = (
        load_file(project / name / "weights.safetensors") for name in ("through", "interrupted")
    )
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert curve.read_text() == expected
    assert not list((project / "models/checkpoints").glob("*.pt"))


def test_training_starts_from_another_agents_weights(project):
    """With a learning rate of nearly nothing they are what comes out, unless beaten."""
    run_stage(project, params(), out="models/pretrained/toy-a2c")
    still = params({"warm_start": None}, learning_rate=1e-12)
    cold = {"warm_start": None, "start_from": "toy-a2c"}
    by_name = params(cold, learning_rate=1e-12)
    state = run_stage(project, by_name, seed=9)
    before, _ = load_agent("models/pretrained/toy-a2c")
    after, card = load_agent("models/agent")
    for name, weight in before.state_dict().items():
        assert torch.allclose(weight, after.state_dict()[name], atol=1e-8)
    weights = project / "models/pretrained/toy-a2c/weights.safetensors"
    started = {"agent": "toy-a2c", "weights": sha256(weights), "frames": 120}
    assert card["start_from"] == started
    # What it starts with is judged first: it must be beaten.
    assert state.evaluations[0]["frames"] == 0
    assert card["curve"][0][2] == pytest.approx(state.evaluations[0]["validation_r_on"], abs=1e-4)
    fresh = run_stage(project, still, seed=9)
    assert fresh.evaluations[0]["frames"] > 0
    other, card = load_agent("models/agent")
    assert "start_from" not in card
    assert not torch.allclose(other.joint[0].weight, before.joint[0].weight, atol=1e-3)


def test_an_agent_that_cannot_be_started_from(project):
    settings = params()
    missing = params({"start_from": "nobody"})
    with pytest.raises(SfpipeError, match="nobody"):
        run_stage(project, missing)
    run_stage(project, settings, out="small")
    card = json.loads((project / "small/agent.json").read_text())
    (project / "small/agent.json").write_text(json.dumps(card | {"window": "msmd"}))
    with pytest.raises(SfpipeError, match="weights"):
        run_stage(project, params({"start_from": "small"}))


def test_the_card_counts_the_varied_performances():
    score = score_record("a", [20, 60], width=300)
    names = ["F-x1.00", "F-augmented1", "T-augmented2"]
    heard = [performance_record("a", [0.2, 1.2], frames=70, name=name) for name in names]
    bank = Bank({"a": score}, heard, NOTTINGHAM)
    facts = Session(bank.device, False, bank.window, bank, bank, {"a": score}, heard).facts()
    assert (facts["training_performances"], facts["augmented_performances"]) == (3, 2)
    assert facts["augment"] is None


def test_the_card_says_how_performances_were_varied(project):
    made = AugmentParams(copies=2).model_dump(mode="json")
    with h5py.File(project / "data/spectrograms/toy.h5", "a") as file:
        file.attrs["params"] = json.dumps({"augment": made})
    run_stage(project, params())
    assert load_agent(project / "models/agent")[1]["augment"] == made


def test_a_card_of_an_earlier_version_names_the_new_key(project):
    run_stage(project, params(), out="old")
    card = json.loads((project / "old/agent.json").read_text())
    card["schedule"] = card.pop("params")
    (project / "old/agent.json").write_text(json.dumps(card))
    with pytest.raises(SfpipeError, match=r"'schedule': it is 'params' now"):
        load_agent(project / "old")
