"""Training: it learns to follow, goes on exactly, and says what is wrong in one line."""

import math

import numpy as np
import pytest
import torch

from sfpipe.errors import SfpipeError
from sfpipe.following.belief import play_all
from sfpipe.game.play import share_of_onsets
from sfpipe.params import BeliefFilterParams, StoppingRule
from sfpipe.training.checkpoint import save_checkpoint
from tests.training.kinds import belief_trainer as training
from tests.training.kinds import uneven_piece


@pytest.mark.parametrize("keep", ["best", "last"])
def test_weights_kept_are_the_best_or_the_last(keep):
    session = training(
        max_updates=14,
        learning_rate=0.3,
        evaluate_every=1,
        average_updates=1,
        keep=keep,
        warmup_steps=0,
    )
    state = session.run()
    evaluated = [(e["validation_r_on"], -e["validation_error_px"]) for e in state.evaluations]
    assert evaluated.index(max(evaluated)) < 13, "the last is the best: the test shows nothing"
    kept = max(evaluated) if keep == "best" else evaluated[-1]
    assert (state.best["r_on"], -state.best["error_px"]) == kept
    last = session.learner.evaluated.state_dict()
    left = session.network.state_dict()
    assert all(torch.equal(v, last[k]) for k, v in left.items()) == (keep == "last")


def test_it_learns_to_follow_a_piece():
    scores, records = uneven_piece()
    session = training(
        max_updates=120, crops=4, frames=40, evaluate_every=60, average_updates=10, dropout=0.0
    )

    def play():
        games = play_all(session.network, BeliefFilterParams(), scores, records)
        return share_of_onsets(games), np.abs(games[0].error_px).mean()

    _, before = play()  # the filter keeps a steady tempo without any network
    state = session.run()
    r_on, error = play()
    assert r_on == state.best["r_on"] == 1.0  # the kept weights are back
    assert error < before / 4
    assert error < 8
    assert state.frames > 120 * 4 * 10


def test_minutes_end_it_sooner():
    done = training(max_updates=1000, rule=StoppingRule(max_minutes=1e-6))
    assert done.run().updates == 1
    assert len(done.state.evaluations) == 1


def test_the_learning_rate_rises_then_falls():
    session = training(learning_rate=1e-3, final_learning_rate=1e-5, warmup_steps=2)
    learner, rates = session.learner, []
    assert learner.warmth() == 0.5
    for done in range(7):
        learner.set_progress(done / 6)
        rates.append(learner.optimiser.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(1e-3)
    assert rates[3] == pytest.approx((1e-3 + 1e-5) / 2)
    assert rates[6] == pytest.approx(1e-5)


def test_a_loss_that_is_no_number_ends_it():
    session = training()
    with torch.no_grad():
        session.network.to_frame.weight.fill_(math.nan)
    with pytest.raises(SfpipeError, match="policy_loss is nan after 0 frames") as error:
        session.run()
    assert "learning rate" in error.value.remedy


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    save_checkpoint(tmp_path / "c.pt", {"course": {}})
    with pytest.raises(SfpipeError, match="is no checkpoint of this training"):
        training(checkpoint=tmp_path / "c.pt").run()
