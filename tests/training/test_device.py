"""A device computes what the processor does; `scripts/gpu_check.sh` tests a GPU with it.

SFPIPE_TEST_DEVICE names the device. Without it a GPU is taken where there is one, and the
processor stands in for it otherwise.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sfpipe.agents.activation import ELU
from sfpipe.agents.networks import ActorCritic
from sfpipe.game.batched import BatchedGame
from sfpipe.game.single import SingleGame
from sfpipe.params import TrainParams
from sfpipe.store.bank import Bank
from sfpipe.store.pack import pack
from sfpipe.store.writer import write_scores, write_spectrograms
from sfpipe.training.checkpoint import load_checkpoint, save_checkpoint
from sfpipe.training.ppo import PPO
from sfpipe.training.rollout import log_prob_of
from tests.toy import NOTTINGHAM, UNEQUAL, two_pieces

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def device() -> torch.device:
    name = os.environ.get("SFPIPE_TEST_DEVICE")
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def bank_on(device: torch.device) -> Bank:
    return Bank(*two_pieces(NOTTINGHAM, **UNEQUAL), NOTTINGHAM, device=device)


def network_on(device: torch.device) -> ActorCritic:
    network = ActorCritic(NOTTINGHAM, dropout=0)
    return network.initialise(torch.Generator().manual_seed(0)).placed(device)


def plain() -> ActorCritic:
    """The same network by PyTorch's own modules, in double precision."""
    network = network_on(torch.device("cpu"))
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, ELU):
                setattr(module, name, nn.ELU())
    return network.double()


def learner_on(device: torch.device, **ppo) -> PPO:
    games = {"num_envs": 3, "num_steps": 8, "minibatch_size": 12}
    params = TrainParams(preset="scratch", ppo=games | ppo)
    bank = bank_on(device)
    return PPO(network_on(device), bank, bank, params, seed=5)


def test_games_are_those_of_one_processor(device):
    """The same actions lead to the same positions and rewards as games played one by one."""
    bank = bank_on(device)
    batched = BatchedGame(bank, NOTTINGHAM, 2, seed=0)
    batched.restart(torch.arange(2, device=device), torch.arange(2, device=device))
    alone = [SingleGame(bank_on(torch.device("cpu")), i) for i in range(2)]
    rng = np.random.default_rng(3)
    for _ in range(20):
        action = rng.integers(-1, 2, 2)
        outcome = batched.step(torch.tensor(action, device=device), restart=False)
        for i, game in enumerate(alone):
            step = game.step(float(action[i]))
            assert float(outcome.reward[i]) == pytest.approx(step.reward, abs=1e-6)
        if bool(outcome.terminated.any()):
            break


def test_answers_and_gradients_are_those_of_double_precision(device):
    bank = bank_on(device)
    game = BatchedGame(bank, NOTTINGHAM, 6, seed=1)
    for action in (1, 1, 0, 1, -1):
        game.step(torch.full((6,), action, device=device))
    observation = game.observe()
    ours, reference = network_on(device), plain()
    action = torch.tensor([0, 1, 2, 1, 0, 2])
    losses = []
    for network, where, kind in ((ours, device, None), (reference, "cpu", torch.float64)):
        logits, values = network(*(o.to(where, kind or torch.float32) for o in observation))
        loss = log_prob_of(logits, action.to(where)).mean() + values.square().mean()
        loss.backward()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    for (name, a), b in zip(ours.named_parameters(), reference.parameters(), strict=True):
        difference = (a.grad.cpu().double() - b.grad).norm() / b.grad.norm()
        assert difference < 2e-3, name


def test_an_update_changes_the_weights_and_its_figures_are_finite(device):
    learner = learner_on(device)
    before = [p.detach().clone() for p in learner.network.parameters()]
    figures = {k: float(v) for k, v in learner.update().items()}
    assert all(np.isfinite(v) for v in figures.values()), figures
    assert figures["frames"] == 24
    after = learner.network.parameters()
    assert not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_resumed_on_the_device_and_on_the_processor(device, tmp_path):
    """A checkpoint goes on exactly on the same device, and can be read on another one."""
    first = learner_on(device)
    first.update()
    save_checkpoint(tmp_path / "c.pt", first.state_dict())
    again = learner_on(device)
    again.load_state_dict(load_checkpoint(tmp_path / "c.pt"))
    figures = [{k: float(v) for k, v in one.update().items()} for one in (first, again)]
    assert figures[0] == pytest.approx(figures[1], rel=1e-3)
    elsewhere = learner_on(torch.device("cpu"))
    elsewhere.load_state_dict(load_checkpoint(tmp_path / "c.pt"))
    elsewhere.update()


def packed_toy(folder: Path) -> Path:
    """A packed file of two pieces to train on and the same two to validate with."""
    scores, performances = two_pieces(NOTTINGHAM, **UNEQUAL)
    about = {"dataset": "toy", "params": {}, "tools": {}}
    with (
        write_scores(folder / "s.h5", **about) as strips,
        write_spectrograms(folder / "p.h5", **about) as played,
    ):
        for split in ("train", "valid"):
            for record in scores.values():
                name = f"{record.piece}-{split}"
                strips.add(**vars(record) | {"piece": name, "split": split})
            for record in performances:
                name = f"{record.piece}-{split}"
                played.add(**vars(record) | {"piece": name, "split": split})
    pack(folder / "s.h5", folder / "p.h5", folder / "packed.h5")
    return folder / "packed.h5"


@pytest.mark.slow
def test_the_check_of_a_gpu_runs_with_the_processor_in_its_place(tmp_path):
    packed = packed_toy(tmp_path)
    out = tmp_path / "out"
    script = [sys.executable, "scripts/gpu_check.py", packed, "--out", out]
    done = subprocess.run(
        [*map(str, script), "--seconds", "120", "--device", "cpu"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((out / "throughput.json").read_text())["rows"]
    assert [r["part"] for r in rows][:3] == ["game", "rollout", "update"]
    assert all(r.get("rate", 0) > 0 for r in rows if r["mode"] in ("", "eager"))
    card = json.loads((out / "agent/agent.json").read_text())
    assert card["algo"] == "ppo" and card["frames"] > 0
    assert (out / "agent/weights.safetensors").stat().st_size < 16 << 20


def test_too_much_to_carry_and_missing_files_are_told(tmp_path):
    script = str(ROOT / "scripts/gpu_check.sh")
    absent = subprocess.run(["bash", script, tmp_path / "none.h5"], capture_output=True, text=True)
    assert absent.returncode == 2 and "none.h5: not there" in absent.stderr
    large = tmp_path / "large.h5"
    with large.open("wb") as file:
        file.truncate(65 << 20)
    refused = subprocess.run(["bash", script, large], capture_output=True, text=True)
    assert refused.returncode == 2 and "65 MiB to carry, more than 64" in refused.stderr
