"""The rules in plain numbers against the rules on tensors, to the bit."""

import numpy as np
import pytest
import torch

from sfpipe.game import dynamics
from sfpipe.game.single import SingleGame, clip_number
from sfpipe.store.bank import Bank
from sfpipe.store.window import WINDOWS
from tests.toy import performance_record, score_record


def bank_of(window) -> Bank:
    scores = {
        "a": score_record("a", [20.3, 60, 90.7], width=300, height=window.height),
        "b": score_record("b", [10, 211.5], width=260, height=window.height, seed=2),
    }
    performances = [
        performance_record("a", [0.2, 1.0, 2.0], frames=60),
        performance_record("b", [0.4, 2.5], frames=70, seed=2),
    ]
    return Bank(scores, performances, window)


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("performance", [0, 1])
def test_equal_at_every_step(name, continuous, performance):
    bank = bank_of(WINDOWS[name])
    rng = np.random.default_rng(performance)
    game = SingleGame(bank, performance)
    state = dynamics.start(bank, torch.tensor([performance]))
    ended = False
    for _ in range(44):
        acceleration = rng.normal() if continuous else float(rng.integers(-1, 2))
        out = game.step(acceleration)
        state, expected = dynamics.step(
            bank,
            state,
            torch.tensor([acceleration], dtype=torch.float64),
            bank.window.threshold_px,
        )
        assert all(torch.equal(a, b) for a, b in zip(game.state(), state, strict=True))
        assert out == (
            float(expected.reward),
            bool(expected.lost),
            bool(expected.finished),
        )
        seen = dynamics.observe(bank, dynamics.observation_index(bank, state))
        score, excerpt = game.observe()
        assert np.array_equal(score, seen.score[0].numpy())
        assert np.array_equal(excerpt, seen.spectrogram[0].numpy())
        assert game.target == float(dynamics.target(bank, state.performance, state.frame))
        ended = ended or out.finished or out.lost
    assert ended


@pytest.mark.parametrize("name", WINDOWS)
def test_limits_and_losses_of_numbers_are_those_of_tensors(name):
    """At the limits, beside them, and at the threshold, which does not lose."""
    bank = bank_of(WINDOWS[name])
    half, last = WINDOWS[name].width / 2, 300 + 1.5 * WINDOWS[name].width - 1
    assert dynamics.position_limits(bank.window, float(bank.strip_width[0])) == (half, last)
    for position in (-3.0, half - 0.5, half, half + 7.25, last, last + 0.5):
        place = torch.tensor([position], dtype=torch.float64)
        clipped = dynamics.clip_position(bank, torch.tensor([0]), place)
        assert clip_number(position, half, last) == clipped.item()
    errors = [-51.0, -50.0, 0.0, 50.0, 50.5]
    lost = [True, False, False, False, True]
    assert [dynamics.is_lost(error, 50.0) for error in errors] == lost
    for many in (np.array(errors), torch.tensor(errors)):
        assert dynamics.is_lost(many, 50.0).tolist() == lost


def test_playing_on_after_the_end_stands_still():
    bank = bank_of(WINDOWS["nottingham"])
    game = SingleGame(bank, 0)
    for _ in range(300):
        game.step(0.0)
    _, excerpt = game.observe()
    assert not excerpt[1].any()
    assert np.array_equal(excerpt[0], bank.spectrogram[:, 59 : 59 + 40].numpy())
