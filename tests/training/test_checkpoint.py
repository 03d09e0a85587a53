"""Checkpoints: one file, old or new whatever happens; fingerprints that tell trainings apart."""

import json

import pytest
import torch

from sfpipe.params import TrainParams
from sfpipe.training.a2c import A2C
from sfpipe.training.checkpoint import (
    hash_identity,
    load_checkpoint,
    remove_checkpoint,
    save_checkpoint,
)
from tests.toy import TinyNetwork, ramp_bank


def state(frames: int) -> dict:
    weights = torch.randn(5000, generator=torch.Generator().manual_seed(frames))
    return {"x": weights, "frames": frames}


def same(a: dict, b: dict) -> bool:
    return a["frames"] == b["frames"] and torch.equal(a["x"], b["x"])


def test_every_bit_comes_back_and_a_newer_one_replaces_it(tmp_path):
    path = tmp_path / "c.pt"
    assert load_checkpoint(path) is None
    for frames in (1, 2):
        save_checkpoint(path, state(frames))
        assert same(load_checkpoint(path), state(frames))
    assert list(tmp_path.iterdir()) == [path]
    remove_checkpoint(path)
    remove_checkpoint(path)
    assert not list(tmp_path.iterdir())


def test_killed_while_writing_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "c.pt"
    save_checkpoint(path, state(1))
    save = torch.save

    def killed(value, file):
        save(value, file)
        with open(file, "r+b") as half:
            half.truncate(2000)
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, state(2))
    assert same(load_checkpoint(path), state(1))


def test_fingerprints_tell_trainings_apart():
    def identity(gamma: float = 0.9) -> dict:
        params = TrainParams(preset="paper", a2c={"gamma": gamma})
        return {"seed": 1, "params": params.a2c.model_dump(), "data": {"scores": "ab"}}

    a = identity()
    assert hash_identity(a) == hash_identity(json.loads(json.dumps(a)))
    others = [a | {"seed": 2}, a | {"data": {"scores": "ac"}}, identity(0.8)]
    assert len({hash_identity(x) for x in (a, *others)}) == 4


def test_a_checkpoint_of_another_kind_of_device_goes_on():
    """A GPU's generator state has 16 bytes; on a processor the actor draws from a fresh one."""

    def learner(seed: int = 3) -> A2C:
        bank, params = ramp_bank(), TrainParams(preset="paper", a2c={"num_envs": 2, "num_steps": 3})
        return A2C(TinyNetwork(1), bank, bank, params, seed=seed)

    first = learner()
    first.update()
    saved = first.state_dict()
    twin, moved, again = learner(), learner(), learner()
    twin.load_state_dict(saved)
    elsewhere = saved | {"actor": torch.zeros(16, dtype=torch.uint8)}
    moved.load_state_dict(elsewhere)
    again.load_state_dict(elsewhere)
    draws = [torch.rand(4, generator=x.actor.generator) for x in (first, twin, moved, again)]
    assert torch.equal(draws[0], draws[1])
    assert torch.equal(draws[2], draws[3])
    assert not torch.equal(draws[0], draws[2])
    assert all(torch.equal(v, twin.network.state_dict()[k]) for k, v in saved["network"].items())
