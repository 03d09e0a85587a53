import numpy as np

from sfpipe.evaluation.timing import time_errors


def test_zero_error_is_zero_seconds(make_game):
    np.testing.assert_allclose(time_errors(make_game([0.0] * 10)), 0, atol=1e-6)


def test_by_hand(make_game):
    # 100 px at 0.5 s, 120 px at 0.7 s, 180 px at 1.0 s (all + 0.01 s).
    errors = [0, 0, 0, -10, 0, 0, 0, 0, 0, -40]
    np.testing.assert_allclose(time_errors(make_game(errors)), [0, -0.1, -0.2], atol=1e-6)
    errors = [0, 0, 0, 40, 0, 0, 0, 0, 0, 16]
    # Beyond the last onset the map goes on at the mean speed, 160 px/s.
    np.testing.assert_allclose(time_errors(make_game(errors)), [0, 0.2, 0.1], atol=1e-6)


def test_before_the_first_onset(make_game):
    errors = [0, 0, 0, -36, 0, 0, 0, 0, 0, 0]
    # 16 px before the first onset is 0.1 s before it at the mean speed.
    np.testing.assert_allclose(time_errors(make_game(errors))[1], -0.2 - 0.1, atol=1e-6)


def test_lost_onsets_have_no_time_error(make_game):
    assert len(time_errors(make_game([0, 0, 0, 0, 0, 51], lost=True))) == 2


def test_position_passed_twice_means_the_nearer_time(make_game):
    # The map goes 100 -> 150, back to 120, and on to 200: 120 px is passed at two times.
    x = (100.0, 150.0, 120.0, 200.0)
    game = make_game([0.0] * 30, onset_frames=(0, 10, 20, 30), onset_x_px=x)
    np.testing.assert_allclose(time_errors(game), 0, atol=1e-6)
    errors = np.zeros(30)
    errors[19] = 8
    game = make_game(errors, onset_frames=(0, 10, 20, 30), onset_x_px=x)
    # 128 px: forwards at 1 s + 8/80 of half a second = 0.05 s after; backwards 0.133 s before.
    np.testing.assert_allclose(time_errors(game)[2], 0.05, atol=1e-6)


def test_level_stretch_stands_for_all_its_times(make_game):
    game = make_game(
        [0.0] * 30, onset_frames=(0, 10, 20, 30), onset_x_px=(100.0, 150.0, 150.0, 200.0)
    )
    np.testing.assert_allclose(time_errors(game), 0, atol=1e-6)


def test_single_onset(make_game):
    game = make_game([], onset_frames=(5,), onset_x_px=(100.0,))
    assert time_errors(game).tolist() == [0.0]


def test_perfect_golden_game_is_perfect_in_time(golden_games):
    for game, _ in golden_games:
        if game.performance.endswith("optimal"):
            np.testing.assert_allclose(time_errors(game), 0, atol=1e-9)
