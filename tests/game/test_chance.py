"""What is drawn in a game is its own: nobody beside it changes it."""

import numpy as np
import pytest
import torch

from sfpipe.agents.agent import AgentPlayer
from sfpipe.agents.policy import Actor
from sfpipe.game.chance import GameChances
from sfpipe.game.play import play_games
from tests.toy import TinyNetwork, ramp_bank

CPU = torch.device("cpu")


def drawn(seed, *game, n=2000):
    chances, first = GameChances(seed, [game], [n], CPU), torch.tensor([0])
    return torch.cat([chances.take(first) for _ in range(n)]).numpy()


def test_the_numbers_of_a_game():
    numbers = drawn(3, "a", "p", 0)
    assert (numbers >= 0).all() and (numbers < 1).all()
    # Uniform: mean 1/2, variance 1/12, within four deviations of 2,000 draws.
    assert numbers.mean() == pytest.approx(0.5, abs=4 * (1 / 12 / 2000) ** 0.5)
    assert numbers.var() == pytest.approx(1 / 12, rel=0.1)
    assert (numbers == drawn(3, "a", "p", 0)).all()
    for other in [(4, "a", "p", 0), (3, "b", "p", 0), (3, "a", "q", 0), (3, "a", "p", 1)]:
        assert abs(np.corrcoef(numbers, drawn(*other))[0, 1]) < 0.1


def test_they_do_not_depend_on_who_else_plays_and_for_how_long():
    games, lengths = [("a", "p", 0), ("b", "p", 0), ("a", "p", 1)], [5, 7, 6]
    chances = GameChances(3, games, lengths, CPU)
    together = [
        chances.take(torch.tensor([i for i, n in enumerate(lengths) if n > k])) for k in range(7)
    ]
    assert [len(t) for t in together] == [3, 3, 3, 3, 3, 2, 1]
    assert [float(t[0]) for t in together[:5]] == drawn(3, "a", "p", 0, n=5).tolist()
    assert [float(t[-1]) for t in together[:5]] == drawn(3, "a", "p", 1, n=6)[:5].tolist()
    assert float(together[6][0]) == drawn(3, "b", "p", 0, n=7)[6]


def test_shares_of_the_actions_are_the_policys():
    """A thousand numbers side by side, of a policy of 1/2, 3/10 and 1/5."""
    actor = Actor(TinyNetwork(), torch.Generator())
    numbers = (torch.arange(1000) + 0.5) / 1000
    logits = torch.log(torch.tensor([0.5, 0.3, 0.2])).expand(1000, 3)
    assert torch.bincount(actor.choose(logits, numbers)).tolist() == [500, 300, 200]
    certain = torch.tensor([[0.0, -200.0, -200.0], [-200.0, -200.0, 0.0]])
    assert actor.choose(certain, torch.tensor([0.99999994, 0.0])).tolist() == [0, 2]


@pytest.mark.parametrize("chunk", [1, 5, 1024])
def test_a_game_is_the_same_alone_and_beside_others(chunk):
    bank, player = ramp_bank(), AgentPlayer(Actor(TinyNetwork(), torch.Generator()))
    whole = play_games(bank, player, trials=3, seed=5)
    some = play_games(bank, player, trials=2, performances=[4, 1], seed=5, chunk=chunk)
    every = {(g.piece, g.trial): g for g in whole}
    assert [(g.piece, g.trial) for g in some] == [(f"ramp{i}", t) for i in (4, 1) for t in (0, 1)]
    for game in some:
        np.testing.assert_array_equal(game.error_px, every[game.piece, game.trial].error_px)
    first, second = (every["ramp4", trial].error_px for trial in (0, 1))
    assert len(first) != len(second) or (first != second).any()


def test_a_certain_player_does_not_ask():
    bank = ramp_bank()
    player = AgentPlayer(Actor(TinyNetwork(), torch.Generator()), deterministic=True)
    for one, other in zip(play_games(bank, player, seed=1), play_games(bank, player), strict=True):
        np.testing.assert_array_equal(one.error_px, other.error_px)
