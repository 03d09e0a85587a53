"""Games that the game room really played, through the metrics."""

import numpy as np
import pytest
import torch

from sfpipe.evaluation.metrics import evaluate, onset_tracking_ratio
from sfpipe.evaluation.validation import validate
from sfpipe.game.play import play_games, share_of_onsets
from sfpipe.game.players import ConstantSpeed, Expert
from sfpipe.store.bank import Bank
from tests.toy import NOTTINGHAM, RandomPlayer, performance_record, score_record


@pytest.fixture(scope="module")
def bank():
    rng = np.random.default_rng(3)
    scores, performances = {}, []
    for piece in ("jig", "reel", "hornpipe"):
        x = 30 + np.cumsum(rng.uniform(5, 25, 40))
        scores[piece] = score_record(piece, x.tolist(), width=int(x[-1]) + 60)
        for name in ("slow", "fast"):
            # Some gaps are below one frame: such onsets are merged.
            gaps = rng.uniform(0.02, 0.6 if name == "slow" else 0.3, 40)
            seconds = rng.uniform(0, 3) + np.cumsum(gaps)
            frames = int(20 * seconds[-1]) + 20
            performances.append(
                performance_record(piece, seconds.tolist(), frames=frames, name=name)
            )
    return Bank(scores, performances, NOTTINGHAM)


@pytest.fixture(scope="module")
def played(bank):
    generator = torch.Generator().manual_seed(0)
    return {
        "optimal": play_games(bank, Expert(bank)),
        "constant": play_games(bank, ConstantSpeed(bank, 2.0)),
        "random": play_games(bank, RandomPlayer(generator), trials=5),
    }


def test_records_keep_the_conventions(played):
    for games in played.values():
        validate(games)
    assert any(game.lost for game in played["constant"])
    assert not any(game.lost for game in played["optimal"])
    assert any(len(game.onset_frames) < 40 for game in played["optimal"])


def test_one_definition_of_r_on(played):
    for games in played.values():
        assert onset_tracking_ratio(games) == share_of_onsets(games)


def test_planner_is_ceiling(played):
    results = {
        player: evaluate(games, rng=np.random.default_rng(0), n_resamples=100)
        for player, games in played.items()
    }
    planner = results["optimal"]
    assert planner["r_on"] == planner["r_tue"] == planner["r_on_piece_mean"] == 1
    assert planner["within_s"]["1"] == 1
    for other in ("constant", "random"):
        assert results[other]["r_on"] < 0.7
        assert results[other]["abs_dx_px"]["mean"] > 2 * planner["abs_dx_px"]["mean"]
