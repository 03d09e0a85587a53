from dataclasses import replace

import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.validation import validate, validate_game


def test_whole_and_lost_games_are_valid(make_game):
    validate([make_game([1.0] * 10), make_game([10, 30, -51], lost=True, trial=1)])


def test_golden_games_are_valid(golden_games):
    assert len(golden_games) == 20
    for game, said in golden_games:
        validate_game(game)
        assert game.lost == said["lost"]
        assert len(game.error_px) == said["steps"]
        assert game.reward_sum == pytest.approx(said["return_"], abs=1e-6)


def test_no_games():
    with pytest.raises(SfpipeError, match="at least one, found none"):
        validate([])


def test_same_trial_twice(make_game):
    with pytest.raises(SfpipeError, match=r"tune/p1 trial 0.*twice"):
        validate([make_game([0.0] * 10), make_game([0.0] * 10)])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["error_px", "position_px", "onset_x_px", "onset_s"])
def test_not_finite(make_game, name, bad):
    game = make_game([0.0] * 10)
    values = np.array(getattr(game, name), np.float64)
    values[2] = bad
    with pytest.raises(SfpipeError, match=rf"trial 0.*finite.*{name}.*{bad} at index 2"):
        validate_game(replace(game, **{name: values}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"error_px": np.zeros(9)}, "one length"),
        ({"error_px": np.zeros((10, 1)), "position_px": np.zeros((10, 1))}, "one length"),
        ({"px_per_cm": 0.0}, "px_per_cm > 0"),
        ({"threshold_px": float("nan")}, "threshold_px > 0"),
        ({"reward_sum": float("nan")}, "reward_sum"),
        ({"onset_frames": np.array([10.0, 14, 20])}, "integer onset frames"),
        ({"onset_frames": np.array([10, 10, 20])}, "increasing onset_frames"),
        ({"onset_s": np.array([0.5, 0.4, 1.0])}, "increasing onset_s"),
        ({"start_frame": 9}, "first onset's frame 10, found 9"),
        ({"lost": True}, "lost: expected .error. > 50 px in its last step"),
        ({"position_px": np.zeros(10)}, "step 1: expected position - target = -105.00 px"),
        (
            {"onset_frames": np.empty(0, int), "onset_x_px": np.empty(0), "onset_s": np.empty(0)},
            "at least one onset",
        ),
    ],
)
def test_broken_conventions(make_game, change, message):
    with pytest.raises(SfpipeError, match=message):
        validate_game(replace(make_game([0.0] * 10), **change))


def test_stopped_halfway(make_game):
    with pytest.raises(SfpipeError, match="expected 3 more steps"):
        validate_game(make_game([0.0] * 7))


def test_went_on_after_losing(make_game):
    with pytest.raises(SfpipeError, match=r"60.00 px in step 3 of 10, lost=False"):
        validate_game(make_game([0, 0, 60, 0, 0, 0, 0, 0, 0, 0]))
    with pytest.raises(SfpipeError, match=r"60.00 px in step 1 of 3, lost=True"):
        validate_game(make_game([60, 0, 60], lost=True))


def test_frame_counter_off_by_one_is_noticed(make_game):
    game = make_game([0.0] * 10)
    with pytest.raises(SfpipeError, match="found the tracking error"):
        validate_game(replace(game, position_px=np.append(game.position_px[1:], 180)))
