"""What is shown over whole performances, lost or not: values derived by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfpipe.evaluation.layout import ScoreLayout
from sfpipe.evaluation.timing import shown_positions, shown_time_errors, time_errors
from sfpipe.evaluation.whole import page_turns, whole_performance

# 100 px at 0.51 s, 200 px at 1.01 s, 300 px at 1.51 s, 400 px at 2.01 s: 200 px/s, 10 px a frame.
STEADY = {"onset_frames": (10, 20, 30, 40), "onset_x_px": (100.0, 200.0, 300.0, 400.0)}


@pytest.fixture(scope="module")
def recovered(make_game):
    """Lost in frame 15, 60 px ahead; 60 px behind in frame 20, exact in 30, 20 px ahead in 40."""
    game = make_game([0, 0, 0, 0, 60], lost=True, **STEADY)
    shown = 100 + 10 * np.arange(6.0, 31)
    shown[20 - 16] -= 60
    shown[40 - 16] += 20
    return replace(game, after_loss_px=shown.astype(np.float32))


def test_position_at_each_onset(recovered):
    assert shown_positions(recovered).tolist() == [100, 140, 300, 420]


def test_time_goes_on_after_a_loss(recovered):
    np.testing.assert_allclose(shown_time_errors(recovered), [0, -0.3, 0, 0.1], atol=1e-6)
    assert len(time_errors(recovered)) == 1  # the game's own end with the loss


def test_a_game_that_ended_shows_nothing(recovered):
    ended = replace(recovered, after_loss_px=np.zeros(0, np.float32))
    errors = shown_time_errors(ended)
    assert errors[0] == 0 and np.isnan(errors[1:]).all()
    assert whole_performance([ended])["within_s"]["5"] == 1 / 4


def test_what_a_follower_says_counts_before_where_the_game_is(recovered):
    # 10 px (0.05 s) ahead in every frame.
    said = replace(recovered, believed_px=(110 + 10 * np.arange(1.0, 31)).astype(np.float32))
    assert shown_positions(said).tolist() == [100, 210, 310, 410]
    np.testing.assert_allclose(shown_time_errors(said), [0, 0.05, 0.05, 0.05], atol=1e-6)


def test_shares_of_onsets(recovered):
    whole = whole_performance([recovered])
    shares = {"0.05": 2, "0.1": 3, "0.25": 3, "0.5": 4, "1": 4, "2": 4, "5": 4}
    assert whole["within_s"] == {name: n / 4 for name, n in shares.items()}
    unknown = (whole["right_system"], whole["right_bar"], whole["right_page_turn"])
    assert unknown == (None, None, None) and whole["page_turns"] == 0


@pytest.fixture(scope="module")
def repeated(make_game):
    """100, 200 and 300 px at 0, 1, 2 s, and once more at 2.5, 3.5, 4.5 s."""
    game = make_game(
        np.zeros(90),
        onset_frames=(0, 20, 40, 50, 70, 90),
        onset_x_px=(100.0, 200.0, 300.0, 100.0, 200.0, 300.0),
        threshold_px=150,
    )
    return replace(game, onset_s=game.onset_frames / 20)


def _showing(game, shown):
    """The game in which these positions are shown at the onsets."""
    position = game.position_px.copy()
    position[game.onset_frames[1:] - 1] = shown
    return replace(game, position_px=position)


def test_no_time_passes_in_a_jump(repeated):
    # At 2.5 s the music is at 100 px again. 200 px is a second before or after, never half way in
    # the jump; 305 px is 0.05 s after the first 300 px (100 px/s), so 0.45 s late; at 3.5 s the
    # first 100 px is 3.5 s ago and the second one; 600 px is far beyond the end: 3 s after it.
    game = _showing(repeated, [200, 300, 305, 100, 600])
    np.testing.assert_allclose(shown_time_errors(game), [0, 0, 0, -0.45, -1, 3], atol=1e-6)


def test_a_place_that_is_left_out_has_no_time(make_game):
    # From 200 px over more than a window to 1000 px. 330 px is 130 px beyond a stretch, 400 px
    # further than b.
    game = make_game(
        np.zeros(60),
        onset_frames=(0, 20, 40, 60),
        onset_x_px=(100.0, 200.0, 1000.0, 1100.0),
        threshold_px=150,
    )
    errors = shown_time_errors(_showing(game, [200, 400, 330]))
    # 330 px: 1.3 s after 200 px at 1 s, so 0.7 s before the last onset at 3 s.
    np.testing.assert_allclose(errors, [0, 0, np.nan, -0.7], atol=1e-6)


def test_systems_and_bars(recovered):
    layout = ScoreLayout(np.array([0.0, 250.0]), np.array([150.0, 250.0, 410.0]), np.zeros(1))
    whole = whole_performance([recovered], {"tune": layout})
    # Shown are 100, 140, 300 and 420 px at 100, 200, 300 and 400 px: bars 0, 0, 2, 3 in place of
    # 0, 1, 2, 2, and systems 0, 0, 1, 1 as they should be.
    assert (whole["right_system"], whole["right_bar"]) == (1, 2 / 4)
    one_line = ScoreLayout(np.zeros(1), np.zeros(0), np.zeros(1))
    other = replace(recovered, piece="other")
    both = whole_performance([recovered, other], {"tune": layout, "other": one_line})
    assert (both["right_system"], both["right_bar"]) == (1, 2 / 4)  # of one piece alone


PAGES = np.array([0.0, 1000.0])


@pytest.fixture(scope="module")
def turned(make_game):
    """100 px/s for 20 s: the last onset of the first page is at 900 px, 9 s."""
    frames = np.arange(0, 401, 20)
    game = make_game(np.zeros(400), onset_frames=frames, onset_x_px=frames * 5.0)
    return replace(game, onset_s=frames / 20)


@pytest.mark.parametrize(
    ("ahead_px", "right"),
    [(0, True), (190, True), (210, False), (-90, True), (-110, False)],
)
def test_page_turn(turned, ahead_px, right):
    # Due are the old page at 8 s, where the music is at 800 px, and the new one at 11 s, 1100 px.
    game = replace(turned, position_px=turned.position_px + np.float32(ahead_px))
    assert page_turns(game, PAGES) == [right]


def test_page_that_is_never_shown(turned):
    ended = replace(turned, position_px=turned.position_px[:100], error_px=turned.error_px[:100])
    assert page_turns(ended, PAGES) == [False]
    assert page_turns(turned, np.zeros(1)) == []
    layout = ScoreLayout(np.zeros(1), np.zeros(0), PAGES)
    whole = whole_performance([turned, replace(ended, piece="b")], {"tune": layout, "b": layout})
    assert (whole["right_page_turn"], whole["page_turns"]) == (0.5, 2)


@given(st.lists(st.floats(-40, 40), min_size=10, max_size=10))
def test_equals_the_games_own_errors_where_nothing_is_lost(make_game, errors):
    game = make_game(errors)
    np.testing.assert_allclose(shown_time_errors(game), time_errors(game), atol=1e-5)
