import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.errors import SfpipeError
from sfpipe.evaluation import metrics
from sfpipe.evaluation.onset_tracking import REFERENCE_CM_PER_PX


def _evaluate(games, **options):
    return metrics.evaluate(games, rng=np.random.default_rng(0), n_resamples=200, **options)


@pytest.fixture(scope="module")
def two_pieces(make_game):
    """Piece a: whole with errors 0, 4, -10. Piece b: 1 of 4 onsets, then lost."""
    a = make_game([1, 2, 3, 4, 5, 6, 7, 8, 9, -10], piece="a")
    b = make_game(
        [10, 20, 51], piece="b", lost=True, onset_frames=(0, 3, 6, 9), onset_x_px=(0, 9, 18, 27)
    )
    return [a, b]


def test_by_hand(two_pieces):
    result = _evaluate(two_pieces)
    assert result["r_on"] == 4 / 7
    assert result["r_on_piece_mean"] == (1 + 1 / 4) / 2
    assert result["r_tue"] == 1 / 2
    sizes = [0, 4, 10, 0]
    assert result["abs_dx_px"]["mean"] == pytest.approx(np.mean(sizes))
    assert result["abs_dx_px"]["std"] == pytest.approx(np.std(sizes))
    assert result["abs_dx_cm"]["mean"] == pytest.approx(np.mean(sizes) / 20)
    assert result["abs_dx_lost_is_worst"]["px"] == pytest.approx((14 + 3 * 50) / 7)
    assert result["abs_dx_lost_is_worst"]["cm"] == pytest.approx((14 + 3 * 50) / 7 / 20)


def test_within_by_hand(two_pieces):
    # Time errors of a: 0; 4 px ahead of a note 60 px and 0.3 s before the next: 0.02 s;
    # 10 px behind in the same stretch: -0.05 s. Of b: 0, and three lost onsets.
    within = metrics.onsets_within(two_pieces, (0.01, 0.02, 0.05, 5))
    assert within == {0.01: 2 / 7, 0.02: 3 / 7, 0.05: 4 / 7, 5: 4 / 7}


def test_cm_differ_by_counting(make_game):
    frames = np.arange(0, 81, 8)
    game = make_game(np.full(80, 5.0), onset_frames=frames, onset_x_px=frames * 2.0, px_per_cm=10.0)
    assert metrics.tracking_error([game], "paper", "cm")[0] == pytest.approx(0.5 * 10 / 11)
    assert metrics.tracking_error([game], "reference", "cm") == pytest.approx(
        (5 * REFERENCE_CM_PER_PX, 0)
    )


def test_reference_averages_over_trials(make_game):
    # Trial 0 samples 5 onsets with error 0, trial 1 one with 6 px: 3 px, not 1.
    frames = np.arange(0, 81, 8)
    games = [
        make_game(np.zeros(80), onset_frames=frames, onset_x_px=frames * 2.0),
        make_game(np.r_[np.full(8, 6.0), 51], 
                  onset_frames=frames, onset_x_px=frames * 2.0, lost=True, trial=1),
    ]  # fmt: skip
    assert metrics.tracking_error(games, "reference") == pytest.approx((3, 0))
    assert metrics.tracking_error(games, "paper")[0] == pytest.approx(6 / 13)


def test_golden_reference_figures(golden_games):
    """Tables 3 and 4 are made of these figures: recomputed from what the evaluator recorded."""
    by_config = {"msmd": [], "nott": []}
    for game, said in golden_games:
        if "random_x3" not in game.performance:
            by_config[game.performance.split("_")[1]].append((game, said))
    for pairs in by_config.values():
        games = [game for game, _ in pairs]
        tracked = [said["onsets_tracked"] for _, said in pairs]
        sizes = np.abs(np.concatenate([said["alignment_errors"] for _, said in pairs]))
        result = _evaluate(games, counting="reference")
        assert result["r_on"] == pytest.approx(np.mean(tracked) / 113, abs=1e-12)
        assert result["r_tue"] == np.mean([t == 113 for t in tracked])
        assert result["abs_dx_px"]["mean"] == pytest.approx(sizes.mean(), abs=1e-12)
        assert result["abs_dx_px"]["std"] == pytest.approx(sizes.std(), abs=1e-12)
        assert result["abs_dx_cm"]["mean"] == pytest.approx(sizes.mean() * 0.035277778, abs=1e-12)


def test_nothing_sampled_is_nan(make_game):
    # All onsets in the first 2 s: the evaluator of 2019 samples none.
    games = [make_game([0.0] * 10)]
    result = _evaluate(games, counting="reference")
    assert math.isnan(result["abs_dx_px"]["mean"])
    assert math.isnan(result["ci95"]["abs_dx_px"]["low"])
    assert result["r_on"] == 1


def test_no_games():
    with pytest.raises(SfpipeError, match="found none"):
        _evaluate([])


def test_nan_is_rejected(make_game):
    game = make_game([0.0] * 10)
    bad = replace(game, error_px=np.where(np.arange(10) == 4, np.nan, game.error_px))
    with pytest.raises(SfpipeError, match=r"tune/p1 trial 0.*finite"):
        _evaluate([bad])


def test_intervals_hold_the_figure_and_follow_the_seed(make_game):
    games = [
        make_game([0.0] * k + [51], lost=True, piece=f"t{k}") if k < 10 else make_game([0.0] * 10)
        for k in range(1, 11)
    ]
    one = metrics.confidence_intervals(games, np.random.default_rng(5))
    two = metrics.confidence_intervals(games, np.random.default_rng(5))
    assert one == two
    low, high = one["r_on"]
    assert 0 <= low < metrics.onset_tracking_ratio(games) < high <= 1
    # The binomial share 1/10 of 10 pieces: 95 % of resamples have at most 3.
    assert one["r_tue"] == pytest.approx((0, 0.3))


def test_interval_resamples_pieces_not_games(make_game):
    """Ten trials of one piece are one observation: no width."""
    games = [make_game([0.0] * 10, trial=t) for t in range(5)]
    games += [make_game([0.0, 51], lost=True, trial=t) for t in range(5, 10)]
    assert metrics.confidence_intervals(games, np.random.default_rng(0))["r_tue"] == (0.5, 0.5)


@st.composite
def _played(draw):
    """Keywords of a random game: whole, or lost after some steps."""
    gaps = draw(st.lists(st.integers(1, 30), min_size=1, max_size=12))
    frames = draw(st.integers(0, 60)) + np.concatenate([[0], np.cumsum(gaps)])
    widths = draw(st.lists(st.integers(1, 40), min_size=len(gaps), max_size=len(gaps)))
    total = int(frames[-1] - frames[0])
    steps = draw(st.integers(1, total))
    lost = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    errors = rng.uniform(-49, 49, steps if lost else total)
    if lost:
        errors[-1] = 51
    x = np.concatenate([[0], np.cumsum(widths)]).astype(float)
    return {"errors": errors, "lost": lost, "onset_frames": frames, "onset_x_px": x}


def _games(make_game, several):
    return [make_game(**game, piece=f"p{i % 3}", trial=i) for i, game in enumerate(several)]


@settings(deadline=None, max_examples=60)
@given(several=st.lists(_played(), min_size=1, max_size=5))
def test_ranges(make_game, several):
    games = _games(make_game, several)
    for counting in ("paper", "reference"):
        result = _evaluate(games, counting=counting)
        for name in ("r_on", "r_on_piece_mean", "r_tue"):
            assert 0 <= result[name] <= 1
        for interval in result["ci95"].values():
            assert not interval["low"] > interval["high"]
    paper = _evaluate(games)
    # The evaluator of 2019 flatters, never the other way round.
    assert metrics.onset_tracking_ratio(games, "reference") >= paper["r_on"]
    assert metrics.tracked_until_end_ratio(games, "reference") >= paper["r_tue"]
    # Whole exactly where not lost: only so does R_tue agree with R_on.
    assert paper["r_tue"] == np.mean([not game.lost for game in games])
    shares = list(paper["within_s"].values())
    assert shares == sorted(shares) and shares[-1] <= paper["r_on"] + 1e-12
    assert paper["abs_dx_px"]["mean"] <= 50
    assert paper["abs_dx_lost_is_worst"]["px"] >= paper["abs_dx_px"]["mean"] - 1e-9


@settings(deadline=None, max_examples=40)
@given(several=st.lists(_played(), min_size=2, max_size=6), data=st.data())
def test_order_of_games_does_not_matter(make_game, several, data):
    games = _games(make_game, several)
    shuffled = data.draw(st.permutations(games))
    for counting in ("paper", "reference"):
        one, two = (_flat(_evaluate(g, counting=counting)) for g in (games, shuffled))
        assert one.keys() == two.keys()
        assert list(one.values()) == pytest.approx(list(two.values()), nan_ok=True)


@settings(deadline=None, max_examples=60)
@given(game=_played(), data=st.data())
def test_living_longer_never_costs(make_game, game, data):
    whole = game["errors"] if not game["lost"] else game["errors"][:-1]
    steps = sorted(data.draw(st.lists(st.integers(0, len(whole)), min_size=2, max_size=2)))
    lost = [make_game(**{**game, "errors": np.append(whole[:n], 51), "lost": True}) for n in steps]
    for counting in ("paper", "reference"):
        shorter, longer = (metrics.onset_tracking_ratio([g], counting) for g in lost)
        assert shorter <= longer
    assert metrics.worst_case_error([lost[1]]) <= metrics.worst_case_error([lost[0]]) + 1e-9


@settings(deadline=None, max_examples=40)
@given(game=_played(), more=st.integers(2, 4))
def test_repeating_every_trial_changes_nothing(make_game, game, more):
    one = [make_game(**game)]
    many = [make_game(**game, trial=t) for t in range(more)]
    first, second = (_flat(_evaluate(g)) for g in (one, many))
    assert list(first.values()) == pytest.approx(list(second.values()), nan_ok=True)


def _flat(value, prefix=""):
    if not isinstance(value, dict):
        return {prefix: value}
    return {k: v for key, item in value.items() for k, v in _flat(item, f"{prefix}/{key}").items()}
