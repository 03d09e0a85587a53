import pytest
import torch

from sfpipe.agents.networks import ActorCritic
from sfpipe.store.window import WINDOWS

# Output sizes of every convolution (channels x height x width), and the parameters.
SHAPES = {
    "nottingham": (
        1_181_796,
        [(16, 36, 73), (32, 17, 36), (32, 8, 17), (64, 6, 8)],
        [(16, 38, 19), (32, 18, 9), (32, 8, 4), (64, 6, 2)],
    ),
    "msmd": (
        2_915_620,
        [
            (16, 76, 126),
            (16, 74, 124),
            (32, 36, 61),
            (32, 34, 59),
            (32, 16, 29),
            (64, 7, 14),
            (96, 3, 6),
            (96, 3, 6),
        ],
        [
            (16, 76, 38),
            (16, 74, 36),
            (32, 36, 17),
            (32, 34, 15),
            (64, 16, 7),
            (96, 7, 3),
            (96, 7, 3),
        ],
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_tables_layer_for_layer(name):
    parameters, score, excerpt = SHAPES[name]
    window = WINDOWS[name]
    network = ActorCritic(window)
    assert sum(p.numel() for p in network.parameters()) == parameters
    for branch, size, shapes in (
        (network.score, window.image_shape, score),
        (network.spectrogram, (78, 40), excerpt),
    ):
        x, found = torch.zeros(1, 2, *size), []
        for layer in branch:
            x = layer(x)
            if isinstance(layer, torch.nn.Conv2d):
                found.append(tuple(x.shape[1:]))
        assert found == shapes


def test_initial_weights_are_orthogonal_and_seeded():
    a = ActorCritic(WINDOWS["nottingham"]).initialise(torch.Generator().manual_seed(3))
    b = ActorCritic(WINDOWS["nottingham"]).initialise(torch.Generator().manual_seed(3))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    w = a.policy[0].weight
    torch.testing.assert_close(w @ w.T, torch.eye(256), atol=1e-4, rtol=0)
    assert all((p == 0).all() for n, p in a.named_parameters() if n.endswith("bias"))


def test_dropout_only_in_train_mode():
    torch.manual_seed(0)
    network = ActorCritic(WINDOWS["nottingham"], dropout=0.5)
    seen = torch.rand(2, 2, 40, 150), torch.rand(2, 2, 78, 40)
    network.eval()
    assert torch.equal(network(*seen)[0], network(*seen)[0])
    network.train()
    assert not torch.equal(network(*seen)[0], network(*seen)[0])


def test_weights_fit_whatever_the_dropout():
    for window in WINDOWS.values():
        trained = ActorCritic(window, dropout=0.0).state_dict()
        ActorCritic(window, dropout=0.2).load_state_dict(trained)
