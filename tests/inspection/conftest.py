"""A trained agent and small banks of random strips and sounds to study it on."""

import pytest
import torch

from sfpipe.agents.agent import load_agent
from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.policy import Actor
from sfpipe.inspection.states import AgentOnBank
from sfpipe.store.bank import Bank
from sfpipe.store.window import WINDOWS
from tests.pipeline.closure import ROOT
from tests.toy import two_pieces


def bank_of(window: str) -> Bank:
    """Two pieces with one performance each, the second a little slower than the first."""
    x, onset_s = ([20, 61, 110], [33, 80, 100]), ([0.2, 1.0, 2.0], [0.5, 1.5, 2.5])
    shape = {"widths": (160, 130), "frames": (60, 60)}
    return Bank(*two_pieces(WINDOWS[window], x=x, onset_s=onset_s, **shape), WINDOWS[window])


def agent_on_bank(window: str) -> AgentOnBank:
    """The trained agent of Table 1, or a random one of Table 2."""
    generator = torch.Generator().manual_seed(0)
    if window == "nottingham":
        network = load_agent(ROOT / "models/pretrained/ryan-dagger")[0]
    else:
        network = ActorCritic(WINDOWS[window]).initialise(generator).placed("cpu").eval()
    return AgentOnBank(Actor(network, generator), bank_of(window))


@pytest.fixture(scope="session")
def trained() -> AgentOnBank:
    return agent_on_bank("nottingham")


@pytest.fixture(scope="session")
def random_msmd() -> AgentOnBank:
    return agent_on_bank("msmd")
