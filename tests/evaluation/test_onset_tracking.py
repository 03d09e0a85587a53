import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.evaluation.onset_tracking import REFERENCE_CM_PER_PX, count_onsets
from sfpipe.evaluation.validation import name_of


def test_paper_by_hand(make_game):
    # Onsets after 0, 4 and 10 steps.
    game = make_game([1, 2, 3, 4, 5, 6, 7, 8, 9, -10])
    count = count_onsets(game)
    assert (count.n_onsets, count.n_reached, count.to_end) == (3, 3, True)
    assert count.error_px.tolist() == [0, 4, -10]
    assert count.onset_index.tolist() == [0, 1, 2]
    assert count.cm_per_px == 1 / 20


@pytest.mark.parametrize(
    ("steps", "reached"), [(1, 1), (3, 1), (4, 1), (5, 2), (9, 2), (10, 2)], ids=str
)
def test_paper_lost_after_some_steps(make_game, steps, reached):
    # A loss in an onset's own frame (4, 10) comes before that onset counts.
    count = count_onsets(make_game([0.0] * (steps - 1) + [51], lost=True))
    assert count.n_reached == len(count.error_px) == reached
    assert not count.to_end


def test_reference_by_hand(make_game):
    # Onsets 0, 30, 41, 50, 90 and 100 frames after the start; the evaluator of 2019 looks them up
    # 40 steps early.
    frames = np.array([7, 37, 48, 57, 97, 107])
    x = np.arange(6) * 10.0
    game = make_game(np.r_[np.arange(1.0, 50), 51], lost=True, onset_frames=frames, onset_x_px=x)
    count = count_onsets(game, "reference")
    # Its counter starts at 47 and ends at 97: onsets 7 and 37 are never sampled, 48 is after step
    # 1, 57 after step 10, and 97, 40 frames off, in the losing state.
    assert count.error_px.tolist() == [1, 10, 51]
    assert count.onset_index.tolist() == [2, 3, 4]
    assert count.n_reached == 5
    assert count.cm_per_px == REFERENCE_CM_PER_PX
    assert count_onsets(game, "paper").n_reached == 3


def test_reference_calls_a_late_loss_the_end(make_game):
    frames = np.arange(0, 817, 8)
    game = make_game(
        np.r_[np.zeros(800), 51], lost=True, onset_frames=frames, onset_x_px=frames * 2.0
    )
    assert count_onsets(game, "reference").to_end
    assert not count_onsets(game, "paper").to_end


def test_reference_equals_the_recorded_evaluator(golden_games):
    for game, said in golden_games:
        count = count_onsets(game, "reference")
        assert count.n_onsets == said["total_onsets"]
        assert count.n_reached == said["onsets_tracked"], name_of(game)
        np.testing.assert_allclose(count.error_px, said["alignment_errors"], rtol=0, atol=1e-12)


def test_paper_equals_the_recorded_consistent_count(golden_games):
    """But for a game lost in an onset's own frame: the recorded count has that onset too."""
    lost_on_an_onset = 0
    for game, said in golden_games:
        last_frame = game.start_frame + len(game.error_px)
        on_onset = bool(game.lost and last_frame in game.onset_frames)
        lost_on_an_onset += on_onset
        assert count_onsets(game).n_reached == said["onsets_tracked_padded"] - on_onset, name_of(
            game
        )
    assert lost_on_an_onset == 1


def test_paper_errors_are_those_of_the_onset_frames(golden_games):
    for game, _ in golden_games:
        count = count_onsets(game)
        target = game.onset_x_px[count.onset_index[1:]]
        step = game.onset_frames[count.onset_index[1:]] - game.start_frame
        np.testing.assert_allclose(count.error_px[1:], game.position_px[step - 1] - target)
        assert np.abs(count.error_px).max() <= game.threshold_px


def test_unknown_counting(make_game):
    with pytest.raises(SfpipeError, match=r"\['paper', 'reference'\], found 'other'"):
        count_onsets(make_game([0.0] * 10), "other")
