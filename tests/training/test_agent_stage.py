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
from sfpipe.errors import SfpipeError
from sfpipe.files import sha256
from sfpipe.params import AugmentParams, DaggerParams, Schedule, TrainParams
from sfpipe.store.bank import Bank
from sfpipe.training.agent_stage import train
from sfpipe.training.checkpoint import load_checkpoint
from sfpipe.training.session import Session
from tests.projects import write_stores
from tests.toy import NOTTINGHAM, performance_record, score_record

TIMEOUT = 1200  # s, for machines that are busy with other things

TINY = Schedule(
    warm_start="dagger",
    n_games=2,
    t_max=3,
    evaluate_every=3,
    max_frames=60,
    dagger=DaggerParams(frames=60, n_games=2, t_max=3, mixture_frames=30, batch=6),
)


def params(**changes) -> TrainParams:
    plan = TINY.model_copy(update=changes)
    return TrainParams(
        device="cpu",
        precision="float32",
        threads=1,
        schedule="tiny",
        schedules={"tiny": plan},
        checkpoint_seconds=0,
    )


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
    course = run_stage(project, params(), curves=project / "metrics/train")
    network, card = load_agent(project / "models/agent")
    assert network.window.name == "nottingham"
    assert (card["algo"], card["seed"], card["window"]) == ("a2c", 1, "nottingham")
    assert card["schedule"] == TINY.model_dump()
    assert card["data"] == {
        kind: sha256(project / f"data/{kind}/toy.h5") for kind in ("scores", "spectrograms")
    }
    assert card["frames"] == course.frames == 120
    assert card["validation_r_on"] == course.best
    assert (card["training_pieces"], card["training_performances"]) == (1, 1)
    assert card["augmented_performances"] == 0
    assert card["strip_height_px"] == 40
    # 70 px in 22 frames, from onset frame 2 to 24
    assert card["px_per_frame"] == pytest.approx(70 / 22)
    assert {"versions", "revision", "device", "bfloat16", "course"} <= set(card)
    assert [frames for frames, *_ in card["curve"]] == [18, 36, 54, 60, 72, 90, 108, 120]
    assert max(r_on for *_, r_on in card["curve"]) == pytest.approx(course.best, abs=1e-4)
    assert not list((project / "models/checkpoints").glob("*"))
    curve = (project / "metrics/train/plots/metrics/validation_r_on.tsv").read_text().splitlines()
    assert curve[0].split("\t") == ["step", "validation_r_on"]
    assert [int(line.split("\t")[0]) for line in curve[1:]] == [18, 36, 54, 60, 72, 90, 108, 120]
    assert json.loads((project / "metrics/train/metrics.json").read_text())["step"] == 120


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
    stored = load_checkpoint(left[0])["course"]["frames"]
    assert stored > 0
    assert run_stage(project, params(max_frames=66)).frames == 126
    assert run_stage(project, params(), seed=2).frames == 120
    assert list((project / "models/checkpoints").glob("*.pt")) == left
    assert load_checkpoint(left[0])["course"]["frames"] == stored


def test_killed_and_terminated_command_ends_with_the_same_weights(project):
    """The real command: SIGKILL, then SIGTERM, then to the end; against one that ran through."""
    settings = {
        "dataset": "toy",
        "algo": "a2c",
        "seed": 1,
        "train": params().model_dump(),
    }
    settings["train"]["schedules"]["tiny"].update(max_frames=600)
    settings["train"]["schedules"]["tiny"]["dagger"].update(frames=600)
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
            return load_checkpoint(found[0])["course"]["frames"] if found else -1
        except SfpipeError:  # its parts are being replaced at this moment
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
    last = interrupt(signal.SIGTERM, 100).splitlines()[-1]
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
    still = params(warm_start=None, learning_rate=1e-12)
    by_name = still.model_copy(update={"start_from": "toy-a2c"})
    course = run_stage(project, by_name, seed=9)
    before, _ = load_agent("models/pretrained/toy-a2c")
    after, card = load_agent("models/agent")
    for name, weight in before.state_dict().items():
        assert torch.allclose(weight, after.state_dict()[name], atol=1e-8)
    weights = project / "models/pretrained/toy-a2c/weights.safetensors"
    started = {"agent": "toy-a2c", "weights": sha256(weights), "frames": 120}
    assert card["start_from"] == started
    # What it starts with is judged first: it must be beaten.
    assert course.evaluations[0]["frames"] == 0
    assert card["curve"][0][2] == pytest.approx(course.evaluations[0]["validation_r_on"], abs=1e-4)
    fresh = run_stage(project, still, seed=9)
    assert fresh.evaluations[0]["frames"] > 0
    other, card = load_agent("models/agent")
    assert "start_from" not in card
    assert not torch.allclose(other.joint[0].weight, before.joint[0].weight, atol=1e-3)


def test_an_agent_that_cannot_be_started_from(project):
    settings = params()
    missing = settings.model_copy(update={"start_from": "nobody"})
    with pytest.raises(SfpipeError, match="nobody"):
        run_stage(project, missing)
    run_stage(project, settings, out="small")
    card = json.loads((project / "small/agent.json").read_text())
    (project / "small/agent.json").write_text(json.dumps(card | {"window": "msmd"}))
    with pytest.raises(SfpipeError, match="weights"):
        run_stage(project, settings.model_copy(update={"start_from": "small"}))


def test_the_card_counts_the_varied_performances():
    score = score_record("a", [20, 60], width=300)
    names = ["F-x1.00", "F-augmented1", "T-augmented2"]
    heard = [performance_record("a", [0.2, 1.2], frames=70, name=name) for name in names]
    bank = Bank({"a": score}, heard, NOTTINGHAM)
    facts = Session(bank.device, False, bank.window, bank, bank).facts()
    assert (facts["training_performances"], facts["augmented_performances"]) == (3, 2)
    assert facts["augment"] is None


def test_the_card_says_how_performances_were_varied(project):
    made = AugmentParams(copies=2).model_dump(mode="json")
    with h5py.File(project / "data/spectrograms/toy.h5", "a") as file:
        file.attrs["params"] = json.dumps({"augment": made})
    run_stage(project, params())
    assert load_agent(project / "models/agent")[1]["augment"] == made
