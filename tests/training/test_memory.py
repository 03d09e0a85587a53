"""Trainings whose pieces do not fit into memory."""

import json

import pytest
import torch

from sfpipe.agents.agent import load_agent
from sfpipe.params import TrainParams
from sfpipe.store.cached_bank import CachedBank
from sfpipe.store.window import WINDOWS
from sfpipe.training.session import open_session
from sfpipe.training.stage import train
from tests.store.test_cached_bank import write
from tests.training.kinds import BELIEF

GAMES = {"num_envs": 3, "num_steps": 20, "max_frames": 240, "minibatch_size": 30}
PARAMS = {
    "preset": "paper",
    "common": {"device": "cpu", "precision": "float32", "threads": 1, "evaluate_every": 9},
    "pretraining": {"max_frames": 200, "crops": 2, "windows": 3, "excerpts": 4},
    "dagger": GAMES | {"beta_frames": 100, "transcription_coef": 0.0},
    "ppo": GAMES,
    "belief": BELIEF,
}


def settings(memory_gib: float | None) -> TrainParams:
    params = json.loads(json.dumps(PARAMS))
    params["common"]["memory_gib"] = memory_gib
    return TrainParams(**params)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    return write(tmp_path_factory.mktemp("stores"), WINDOWS["nottingham"])


LITTLE = 900 / (1 << 20)  # GiB: 900 KiB of some 1,250


def test_a_bank_is_cached_if_it_does_not_fit(stores):
    for memory, cached in ((None, False), (1.0, False), (LITTLE, True)):
        session = open_session(settings(memory).common, stores.scores, stores.spectrograms)
        assert isinstance(session.train_bank, CachedBank) == cached
        assert len(session.train_bank) == 16
        assert sorted(session.scores)[-1] == "p11"
        assert session.facts()["training_pieces"] == 11


@pytest.mark.parametrize("algo", ["ppo", pytest.param("dagger", marks=pytest.mark.slow)])
def test_the_same_agent_comes_out(stores, tmp_path, algo):
    states = []
    for name, memory in (("whole", None), ("cached", LITTLE)):
        given = settings(memory), stores.scores, stores.spectrograms, tmp_path / name
        states.append(train(*given, algo=algo, seed=3))
    assert states[0].evaluations[-1]["frames"] == states[1].evaluations[-1]["frames"] > 200
    ours, theirs = (load_agent(tmp_path / name) for name in ("cached", "whole"))
    for name, weight in theirs[0].state_dict().items():
        assert torch.equal(ours[0].state_dict()[name], weight), name
    assert ours[1]["params"] == theirs[1]["params"]


def test_an_agent_with_a_memory_learns_from_what_does_not_fit(stores, tmp_path):
    state = train(
        settings(LITTLE), stores.scores, stores.spectrograms, tmp_path, algo="belief", seed=3
    )
    assert state.updates == 6 and state.frames > 100
