"""Training: it learns to follow, goes on exactly, and says what is wrong in one line."""

import math

import numpy as np
import pytest
import torch

from sfpipe.belief.network import PlaceNetwork
from sfpipe.errors import SfpipeError
from sfpipe.following.belief import play_all
from sfpipe.game.play import share_of_onsets
from sfpipe.params import BeliefParams
from sfpipe.store.bank import Bank
from sfpipe.store.reader import PerformanceRecord
from sfpipe.training.belief import BeliefTraining
from sfpipe.training.checkpoint import save_checkpoint
from tests.toy import NOTTINGHAM, score_record, stop_after

TINY = {
    "updates": 6,
    "passages": 2,
    "frames": 24,
    "places": 96,
    "evaluate_every": 3,
    "average_updates": 4,
    "warm_up": 2,
}


def piece():
    """A strip of noise, every place of which sounds in its own way, played unevenly."""
    x = np.arange(20.0, 560.0, 12.0)
    score = score_record("a", list(x), width=600)
    rng = np.random.default_rng(5)
    seconds = np.cumsum(rng.uniform(0.3, 0.6, len(x)))
    frames = int(seconds[-1] * 20) + 20
    sounds = rng.random((len(x), 78)).astype(np.float32) ** 4
    heard = np.clip(np.searchsorted(seconds, np.arange(frames) / 20, side="right") - 1, 0, None)
    record = PerformanceRecord(
        "a",
        "p",
        "train",
        sounds[heard].T.copy(),
        seconds,
        np.arange(len(x), dtype=np.int32),
        1.0,
        "",
    )
    return {"a": score}, [record]


def training(seed: int = 3, **changes) -> BeliefTraining:
    options = {k: changes.pop(k) for k in ("checkpoint", "should_stop") if k in changes}
    scores, records = piece()
    params = BeliefParams(**TINY | changes)
    torch.manual_seed(seed)
    network = PlaceNetwork(NOTTINGHAM, dropout=params.dropout)
    bank = Bank(scores, records, NOTTINGHAM)
    return BeliefTraining(network, bank, scores, records, params, seed=seed, **options)


def weights(done: BeliefTraining) -> list[torch.Tensor]:
    return list(done.network.state_dict().values())


@pytest.mark.parametrize("keep", ["best", "last"])
def test_weights_kept_are_the_best_or_the_last(keep):
    session = training(
        updates=14, learning_rate=0.3, evaluate_every=1, average_updates=1, keep=keep, warm_up=0
    )
    course = session.run()
    judged = [(e["validation_r_on"], -e["validation_error_px"]) for e in course.evaluations]
    assert judged.index(max(judged)) < 13, "the last is the best: the test shows nothing"
    kept = max(judged) if keep == "best" else judged[-1]
    assert (course.best, -course.best_error) == kept
    last = session.average.network.state_dict()
    left = session.network.state_dict()
    assert all(torch.equal(v, last[k]) for k, v in left.items()) == (keep == "last")


def test_it_learns_to_follow_a_piece():
    scores, records = piece()
    session = training(
        updates=120, passages=4, frames=40, evaluate_every=60, average_updates=10, dropout=0.0
    )
    before = share_of_onsets(play_all(session.network, session.params.filter, scores, records))
    course = session.run()
    games = play_all(session.network, session.params.filter, scores, records)
    assert before < 0.9
    assert share_of_onsets(games) == course.best == 1.0  # the kept weights are back
    assert np.abs(games[0].error_px).mean() < 8
    assert course.frames > 120 * 4 * 10


@pytest.mark.parametrize("updates", [1, 3, 5])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, updates):
    whole = training()
    whole.run()
    file = tmp_path / "c.pt"
    with pytest.raises(SfpipeError, match=rf"interrupted after {updates} updates") as error:
        training(checkpoint=file, should_stop=stop_after(updates)).run()
    assert error.value.remedy == "run the same command again to go on"
    resumed = training(checkpoint=file)
    resumed.run()
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))
    assert resumed.course.frames == whole.course.frames
    assert resumed.course.best == whole.course.best
    assert len(resumed.course.evaluations) == 2


def test_minutes_end_it_sooner(tmp_path):
    done = training(updates=1000, max_minutes=1e-6)
    assert done.run().updates == 1
    assert len(done.course.evaluations) == 1


def test_the_learning_rate_rises_then_falls():
    session = training(learning_rate=1e-3, final_learning_rate=1e-5, warm_up=2)
    rates = []
    for done in range(7):
        session.course.updates = done
        rates.append(session._rate())
    assert rates[0] == pytest.approx(0.5e-3)
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[6] == pytest.approx(1e-5)


def test_a_loss_that_is_no_number_ends_it():
    session = training()
    with torch.no_grad():
        session.network.to_frame.weight.fill_(math.nan)
    with pytest.raises(SfpipeError, match="the loss is nan after 1 updates") as error:
        session.run()
    assert "learning_rate" in error.value.remedy


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    save_checkpoint(tmp_path / "c.pt", {"course": {}})
    with pytest.raises(SfpipeError, match="is no checkpoint of this training"):
        training(checkpoint=tmp_path / "c.pt").run()
