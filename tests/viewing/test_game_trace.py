import numpy as np
import pytest
import torch

from sfpipe.agents.agent import load_agent
from sfpipe.errors import SfpipeError
from sfpipe.game import dynamics
from sfpipe.game.play import play_games
from sfpipe.game.players import ConstantSpeed, Expert
from sfpipe.store.window import WINDOWS
from sfpipe.viewing.contestants import (
    PLAYERS,
    Entry,
    bank_of,
    entries,
    one_entry,
    play,
    training_speed,
)
from sfpipe.viewing.game_trace import read_out, track, views
from tests.viewing.conftest import FIRST_S, ONSET_S, STRIP_X


def test_track_of_a_finished_game(shown):
    bank = bank_of(shown, WINDOWS["nottingham"])
    game = play_games(bank, Expert(bank))[0]
    seen = track(game, "optimal")
    assert len(seen) == len(game.error_px) + 1 and not seen.lost
    assert seen.start_frame == int(20 * FIRST_S)
    assert seen.error_px[0] == 0
    np.testing.assert_allclose(seen.error_px[1:], game.error_px, atol=1e-4)
    assert seen.score[-1] == pytest.approx(game.reward_sum, abs=1e-3)
    np.testing.assert_allclose(np.cumsum(seen.speed_px) + seen.position_px[0], seen.position_px)
    # Waiting before the game, standing after it.
    assert seen.at(0) == seen.at(seen.start_frame) == 0
    assert seen.at(seen.start_frame + 5) == 5
    assert seen.at(10**6) == len(seen) - 1


def test_track_of_a_lost_game(shown):
    bank = bank_of(shown, WINDOWS["nottingham"])
    seen = track(play_games(bank, ConstantSpeed(bank, 9.0))[0], "too fast")
    assert seen.lost and seen.reward[-1] == 0 and seen.error_px[-1] > 50
    assert (seen.reward[1:-1] > 0).all()


def test_views_are_those_of_the_game(shown):
    bank = bank_of(shown, WINDOWS["nottingham"])
    player = Expert(bank)
    game = play_games(bank, player)[0]
    again = views(game, bank, 0)
    state = dynamics.start(bank, torch.tensor([0]))
    for k in range(len(again.frame)):
        assert tuple(int(field[k]) for field in again) == tuple(
            int(field[0]) for field in dynamics.observation_index(bank, state)
        )
        state, _ = dynamics.step(bank, state, player.act(state, None), 50)


def test_what_the_network_says_is_what_it_did(shown, params, paths):
    one = play(shown, Entry("agent", "models/agent"), params, paths, deterministic=True)
    probabilities, value = one.track.probabilities, one.track.value
    assert probabilities.shape == (len(one.track), 3) and value.shape == (len(one.track),)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    actions = np.diff(one.track.speed_px)
    # The strip's end stops an agent, whatever it does.
    free = one.track.position_px[1:] < shown.score.strip.shape[1] + 74
    assert len(actions) > 10
    assert (actions == probabilities[:-1].argmax(1) - 1)[free].all()


def test_values_are_the_networks_in_any_batches(shown):
    network, _ = load_agent("models/agent")
    bank = bank_of(shown, network.window)
    game = play_games(bank, Expert(bank))[0]
    _, value = read_out(network, game, bank, 0)
    state = dynamics.start(bank, torch.tensor([0]))
    with torch.no_grad():
        first = network(*dynamics.observe(bank, dynamics.observation_index(bank, state)))[1]
    assert value[0] == pytest.approx(float(first[0]), abs=1e-5)
    assert np.std(value) > 0


def test_players_and_their_names(shown, params, paths):
    frames = int(20 * ONSET_S[-1]) - int(20 * ONSET_S[0])
    speed = training_speed(paths.scores, paths.spectrograms)
    assert speed == pytest.approx((STRIP_X[-1] - STRIP_X[0]) / frames)
    for name, label in PLAYERS.items():
        one = play(shown, Entry("player", name), params, paths)
        assert one.track.name == label and one.track.value is None
    with pytest.raises(SfpipeError, match="unknown player 'best' -> use one of optimal, constant"):
        play(shown, Entry("player", "best"), params, paths)


def test_a_baseline_follows(shown, params, paths):
    """On the click track, which is its own score's sound too: the store has no other."""
    object.__setattr__(shown.performance, "soundfont", params.synthesize.train.soundfonts[0])
    nearest = "unknown baseline 'midi-odtv' -> did you mean 'midi-odtw'"
    with pytest.raises(SfpipeError, match=nearest):
        play(shown, Entry("baseline", "midi-odtv"), params, paths)
    with pytest.raises(SfpipeError, match=r"score\.mid: no such file"):
        play(shown, Entry("baseline", "midi-odtw"), params, paths)


def test_one_entry():
    assert one_entry() == Entry("agent", "models/agent")
    assert one_entry(baseline="b") == Entry("baseline", "b")
    with pytest.raises(SfpipeError, match="a film shows one follower"):
        one_entry(agent="a", player="optimal")


def test_entries():
    assert entries() == [Entry("agent", "models/agent")]
    assert entries(players=["optimal"]) == [Entry("player", "optimal")]
    assert entries(agents=["a"], players=["b"]) == [Entry("agent", "a"), Entry("player", "b")]
