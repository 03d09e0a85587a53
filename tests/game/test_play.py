import numpy as np
import pytest
import torch

from sfpipe.game import dynamics
from sfpipe.game.batched import BatchedGame, Sampler
from sfpipe.game.play import mean_error, play_games, share_of_onsets
from sfpipe.game.players import ConstantSpeed, Expert
from sfpipe.store.bank import Bank
from tests.toy import NOTTINGHAM, RandomPlayer, performance_record, ramp_bank, score_record


def two_piece_bank() -> Bank:
    scores = {n: score_record(n, [20, 60, 90], width=300, seed=i) for i, n in enumerate("ab")}
    performances = [
        performance_record("a", [0.21, 1.0, 2.0], frames=60),
        performance_record("b", [0.0, 0.5, 3.0], frames=80),
    ]
    return Bank(scores, performances, NOTTINGHAM)


class Still:
    needs_observation = False

    def act(self, state, observation):
        return torch.zeros(len(state.frame), dtype=torch.float64)


def test_games_end_at_the_last_onset_or_when_lost():
    bank = two_piece_bank()
    a, b = play_games(bank, Still())
    # a: 23 frames to a distance of 51 px; b: 40 px in 10 frames, then 0.6 px a frame.
    assert a.lost and len(a.error_px) == 23 and a.error_px[-1] == pytest.approx(-50.5)
    assert a.start_frame == 4 and a.onsets_reached == 2
    assert b.lost and len(b.error_px) == 27 and b.onsets_reached == 2
    assert share_of_onsets([a, b]) == pytest.approx(4 / 6)
    assert np.all(a.position_px == 20)
    # The losing frames, 50.5 and 50.4 px off, are not followed any more.
    kept = np.concatenate([a.error_px[:-1], b.error_px[:-1]])
    assert mean_error([a, b]) == pytest.approx(np.abs(kept).mean()) and mean_error([]) == 0


def test_trials_and_chunks_do_not_change_a_game():
    bank = two_piece_bank()
    whole = play_games(bank, Expert(bank), trials=3)
    parts = play_games(bank, Expert(bank), trials=3, chunk=2)
    assert [(g.piece, g.trial) for g in whole] == [(p, t) for p in "ab" for t in range(3)]
    for g, h in zip(whole, parts, strict=True):
        assert np.array_equal(g.error_px, h.error_px) and g.lost == h.lost
    assert len(play_games(bank, Expert(bank), performances=[1])) == 1


def test_planner_follows_and_is_the_ceiling():
    bank = two_piece_bank()
    planned = play_games(bank, Expert(bank))
    constant = play_games(bank, ConstantSpeed(bank, (70 + 70) / (36 + 60)))
    assert share_of_onsets(planned) == 1 and not any(g.lost for g in planned)
    assert sum(g.reward_sum for g in planned) > sum(g.reward_sum for g in constant)
    assert max(abs(g.error_px).max() for g in planned) <= 6


def test_planner_costs_by_hand():
    bank = ramp_bank(1)
    state = dynamics.start(bank, torch.zeros(1, dtype=torch.int64))
    # The target moves 1 px a frame, the agent stands. +1 now and then holding is exact.
    cost = Expert(bank, horizon=4).costs(state)[0]
    # 0 first: one px late once, corrected by +1, +1 and -1: 1 + 1 + 0 + ... at best.
    assert cost[2] == 0 and cost[1] > 0 and cost[0] > cost[1]


def test_constant_speed_alternates_between_whole_speeds():
    bank = two_piece_bank()
    game = play_games(bank, ConstantSpeed(bank, 0.5))[0]
    travelled = game.position_px - 20
    steps = np.arange(1, len(travelled) + 1)
    assert np.abs(travelled - 0.5 * steps).max() <= 1


def test_random_player_is_seeded():
    bank = two_piece_bank()
    a, b = (play_games(bank, RandomPlayer(torch.Generator().manual_seed(4))) for _ in range(2))
    assert all(np.array_equal(g.error_px, h.error_px) for g, h in zip(a, b, strict=True))


def test_sampler_plays_everything_once_before_anything_twice():
    sampler = Sampler(5, seed=0, device=torch.device("cpu"))
    drawn = torch.cat([sampler.sample(3), sampler.sample(7)])
    assert sorted(drawn[:5].tolist()) == sorted(drawn[5:].tolist()) == list(range(5))


def test_sampler_goes_on_where_it_was_saved():
    sampler = Sampler(5, seed=0, device=torch.device("cpu"))
    sampler.sample(3)
    saved = sampler.state_dict()
    expected = sampler.sample(9)
    again = Sampler(5, seed=1, device=torch.device("cpu"))
    again.load_state_dict(saved)
    assert torch.equal(again.sample(9), expected)


def test_a_game_that_ends_is_replaced_in_the_same_step():
    bank = two_piece_bank()
    game = BatchedGame(bank, NOTTINGHAM, 8, seed=0)
    for _ in range(27):
        outcome = game.step(torch.zeros(8))
        over = outcome.terminated
        fresh = dynamics.start(bank, game.state.performance)
        for now, first in zip(game.state, fresh, strict=True):
            assert torch.equal(now[over], first[over])
        assert (game.ended is not None) == bool(over.any())
        if game.ended is not None:
            assert (game.ended.frame > bank.first_frame[game.ended.performance]).all()


def test_some_games_begin_inside_their_pieces_and_go_on_to_the_end():
    bank = two_piece_bank()
    game = BatchedGame(bank, NOTTINGHAM, 400, seed=0, start_inside=0.25)
    first = dynamics.start(bank, game.state.performance)
    inside = game.state.frame != first.frame
    assert 70 <= int(inside.sum()) <= 130  # 100 expected, deviation 8.7
    for now, start in zip(game.state, first, strict=True):
        assert torch.equal(now[~inside], start[~inside])
    # They are left alone until they end: played by the expert, every one reaches the last onset.
    expert = Expert(bank)
    assert set(game.state.performance.tolist()) == {0, 1}
    for _ in range(30):
        before = game.state
        outcome = game.step(expert.act(before, None))
        going_on = ~outcome.terminated
        assert torch.equal(game.state.frame[going_on], before.frame[going_on] + 1)


def test_games_that_begin_inside_go_on_from_what_was_saved():
    bank = two_piece_bank()
    game = BatchedGame(bank, NOTTINGHAM, 8, seed=3, start_inside=0.5)
    saved = game.state_dict()
    again = BatchedGame(bank, NOTTINGHAM, 8, seed=4, start_inside=0.5)
    again.load_state_dict(saved)
    for _ in range(60):
        game.step(torch.zeros(8))
        again.step(torch.zeros(8))
        for one, other in zip(game.state, again.state, strict=True):
            assert torch.equal(one, other)


def test_scattered_states_are_inside_games():
    bank = two_piece_bank()
    which = torch.arange(2).repeat(500)
    state = dynamics.scatter(bank, which, torch.Generator().manual_seed(0), 50)
    assert (state.frame > bank.first_frame[which]).all()
    assert (state.frame < bank.last_frame[which]).all()
    assert torch.equal(state.previous_frame, state.frame - 1)
    error = state.position - dynamics.target(bank, which, state.frame)
    assert error.abs().max() <= 50 and error.std() > 10
    dynamics.observe(bank, dynamics.observation_index(bank, state))


def test_positions_stay_inside_the_strip():
    bank = two_piece_bank()
    state = dynamics.start(bank, torch.zeros(1, dtype=torch.int64))
    back, _ = dynamics.step(bank, state, torch.tensor([-1e6]), 50)
    ahead, _ = dynamics.step(bank, state, torch.tensor([1e6]), 50)
    assert back.position.item() == 75
    assert ahead.position.item() == 300 + 300 - 75 - 1
    assert dynamics.observe(bank, dynamics.observation_index(bank, ahead)).score.shape == (
        1,
        2,
        40,
        150,
    )
