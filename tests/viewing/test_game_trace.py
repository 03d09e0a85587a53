import shutil

import h5py
import numpy as np
import pytest
import torch

from sfpipe.agents.agent import load_agent
from sfpipe.errors import SfpipeError
from sfpipe.following.reference import training_speed
from sfpipe.game import dynamics
from sfpipe.game.play import play_games
from sfpipe.game.players import ConstantSpeed, Expert
from sfpipe.store.window import WINDOWS
from sfpipe.viewing.game_trace import read_out, trace_game, views
from sfpipe.viewing.select_performance import Selection, select_performance
from sfpipe.viewing.shown_game import play_selected, set_of_one
from tests.audio.conftest import write_midi
from tests.viewing.conftest import FIRST_S, ONSET_S, STRIP_X


def test_track_of_a_finished_game(shown):
    bank = set_of_one(shown, WINDOWS["nottingham"]).bank
    game = play_games(bank, Expert(bank))[0]
    seen = trace_game(game, "optimal")
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
    bank = set_of_one(shown, WINDOWS["nottingham"]).bank
    seen = trace_game(play_games(bank, ConstantSpeed(bank, 9.0))[0], "too fast")
    assert seen.lost and seen.reward[-1] == 0 and seen.error_px[-1] > 50
    assert (seen.reward[1:-1] > 0).all()


def test_views_are_those_of_the_game(shown):
    bank = set_of_one(shown, WINDOWS["nottingham"]).bank
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
    one = play_selected(shown, "models/agent", params, paths, deterministic=True)
    probabilities, value = one.trace.probabilities, one.trace.value
    assert probabilities.shape == (len(one.trace), 3) and value.shape == (len(one.trace),)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    actions = np.diff(one.trace.speed_px)
    # The strip's end stops an agent, whatever it does.
    free = one.trace.position_px[1:] < shown.score.strip.shape[1] + 74
    assert len(actions) > 10
    assert (actions == probabilities[:-1].argmax(1) - 1)[free].all()


def test_values_are_the_networks_in_any_batches(shown):
    network, _ = load_agent("models/agent")
    bank = set_of_one(shown, network.window).bank
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
    for name in ("optimal", "constant-speed"):
        one = play_selected(shown, name, params, paths)
        assert one.trace.name == name.replace("-", " ") and one.trace.value is None


def test_a_baseline_follows(shown, params, paths):
    """On the click track, which is its own score's sound too: the store has no other."""
    object.__setattr__(shown.performance, "soundfont", params.synthesize.train.soundfonts[0])
    nearest = "unknown follower 'midi-odtv' -> did you mean 'midi-odtw'"
    with pytest.raises(SfpipeError, match=nearest):
        play_selected(shown, "midi-odtv", params, paths)
    with pytest.raises(SfpipeError, match=r"score\.mid: no such file"):
        play_selected(shown, "midi-odtw", params, paths)


def test_a_baseline_follows_a_human_performance(shown, params, paths):
    """Its sound is the engraver's: the store of human performances plays nothing as written."""
    paths.performances.parent.mkdir(parents=True)
    shutil.copy(paths.spectrograms, paths.performances)
    with h5py.File(paths.performances, "a") as file:
        file["clicks/plain"].attrs["condition"] = "direct"
    paths.spectrograms.unlink()  # there need be no synthesised performances of the same scores
    selected = select_performance(paths, Selection(real=True))
    assert selected.store == paths.performances and selected.condition_label == "direct"
    with pytest.raises(SfpipeError, match=r"engraved/toy/clicks/score\.mid: no such file"):
        play_selected(selected, "midi-odtw", params, paths)
    notes = [(float(t), float(t) + 0.2, 60 + i) for i, t in enumerate(ONSET_S)]
    write_midi(paths.engraved / "clicks/score.mid", notes)
    assert play_selected(selected, "midi-odtw", params, paths).trace.name == "MIDI-ODTW"
