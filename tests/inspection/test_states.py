"""The states of played games, and what the network makes of them."""

import numpy as np
import pytest
import torch

from sfpipe.errors import SfpipeError
from sfpipe.game import dynamics
from sfpipe.inspection.states import error_px, evaluate_states, visit


def test_every_state_of_every_game_is_kept_in_order(trained):
    states, games = visit(trained, deterministic=True)
    assert len(states.frame) == sum(len(game.error_px) for game in games)
    for index, game in enumerate(games):
        mine = dynamics.select(states, states.performance == index)
        first = int(trained.bank.first_frame[index])
        assert mine.frame.tolist() == list(range(first, first + len(game.error_px)))
        # The state after a step is the next one kept; the last one is the game's end.
        position = mine.position.numpy() - trained.bank.window.width
        np.testing.assert_allclose(position[1:], game.position_px[:-1])
        np.testing.assert_allclose(error_px(trained.bank, mine)[1:], game.error_px[:-1], atol=1e-4)
        assert error_px(trained.bank, mine)[0] == 0


@pytest.mark.parametrize("name", ["trained", "random_msmd"])
def test_look_is_a_forward_pass(name, request):
    played = request.getfixturevalue(name)
    bank, network = played.bank, played.actor.network
    states = dynamics.start(bank, torch.tensor([0, 1]))
    outputs = evaluate_states(played, states, batch=1)
    observed = dynamics.observe(bank, dynamics.observation_index(bank, states))
    with torch.no_grad():
        embedding = network.embed(*observed)
        logits, value = network.heads(embedding)
    assert outputs.embedding.shape == (2, network.width)
    np.testing.assert_allclose(outputs.embedding, embedding.numpy(), atol=1e-4, rtol=1e-3)
    np.testing.assert_allclose(outputs.probability, logits.softmax(1).numpy(), atol=1e-4)
    np.testing.assert_allclose(outputs.value, value.numpy(), atol=1e-4, rtol=1e-3)


def test_performance_by_name_or_drawn(trained):
    assert trained.performance("b", 0) == 1
    assert trained.performance(None, 3) == trained.performance(None, 3)
    assert {trained.performance(None, seed) for seed in range(9)} == {0, 1}
    with pytest.raises(SfpipeError, match="no piece 'c'"):
        trained.performance("c", 0)
