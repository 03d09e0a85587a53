import torch

from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.rollout import Actor
from sfpipe.game.dynamics import Observation
from tests.toy import NOTTINGHAM


def gradients(cores: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    network = ActorCritic(NOTTINGHAM).initialise(torch.Generator().manual_seed(0)).eval()
    actor = Actor(network, torch.Generator(), cores=cores)
    draw = torch.Generator().manual_seed(1)
    seen = Observation(
        torch.rand(35, 2, 40, 150, generator=draw), torch.rand(35, 2, 78, 40, generator=draw)
    )
    logits, value = actor.forward(seen)
    (logits.square().sum() + value.sum()).backward()
    return logits.detach(), [p.grad for p in network.parameters()]


def test_parts_of_a_batch_give_the_gradient_of_the_whole():
    (logits, whole), (parts_logits, parts) = gradients(1), gradients(3)
    torch.testing.assert_close(parts_logits, logits)
    for a, b in zip(parts, whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.abs().max()))


def test_bit_equal_whatever_thread_is_first():
    (_, first), (_, second) = gradients(3), gradients(3)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_acting_in_parts():
    network = ActorCritic(NOTTINGHAM).initialise(torch.Generator().manual_seed(0)).eval()
    seen = Observation(torch.rand(40, 2, 40, 150), torch.rand(40, 2, 78, 40))
    with torch.no_grad():
        whole = Actor(network, torch.Generator()).forward(seen)
        parts = Actor(network, torch.Generator(), cores=2).forward(seen)
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b)
        assert not b.requires_grad


def test_networks_with_dropout_in_their_branches_stay_whole():
    from sfpipe.store.window import WINDOWS

    actor = Actor(ActorCritic(WINDOWS["msmd"], dropout=0.2), torch.Generator(), cores=2)
    assert actor._shards is None
