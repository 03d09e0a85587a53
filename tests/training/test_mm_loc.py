"""Training of MM-Loc: it learns, stops, goes on exactly, and says what is wrong in one line."""

import json
import math
import re

import pytest
import torch

from sfpipe.baselines.mm_loc import MmLoc, load_mm_loc
from sfpipe.errors import SfpipeError
from sfpipe.following.evaluation_set import load_evaluation_set
from sfpipe.following.registry import load_follower
from sfpipe.following.sources import Sources
from sfpipe.params import MmLocParams
from sfpipe.store.window import WINDOWS
from sfpipe.training.checkpoint import save_checkpoint
from sfpipe.training.mm_loc import ready_mm_loc, train_mm_loc
from sfpipe.training.trainer import Trainer
from tests.projects import write_stores
from tests.toy import NOTTINGHAM, ramp_bank, score_record
from tests.training.kinds import MM_LOC
from tests.training.kinds import mm_loc_trainer as training


def weights(done: Trainer) -> list[torch.Tensor]:
    return list(done.network.state_dict().values())


def test_it_learns_where_a_frame_is():
    easy = ramp_bank(2, NOTTINGHAM)  # ink and sound grow along the way
    session = training(
        data=easy, crops=4, windows=5, excerpts=6, max_updates=60, evaluate_every=10, dropout=0.0
    )
    before, far = session.learner.validate().values()
    session.run()
    after, near = session.learner.validate().values()
    assert after < 0.5 * before
    assert near < 0.5 * far
    assert session.state.best["loss"] == pytest.approx(after, abs=1e-5)  # the best weights are back
    assert session.state.best["error_px"] == pytest.approx(near, abs=1e-3)


def test_seeds_decide():
    def losses(seed):
        learner = training(seed).learner
        return [float(learner.update()["policy_loss"]) for _ in range(2)]

    assert losses(3) == losses(3) != losses(4)


def test_it_stops_when_validation_improves_no_more():
    session = training(
        max_updates=None, patience=2, lr_reductions=1, learning_rate=1e-12, evaluate_every=1
    )
    best, worse = {"loss": 1.0, "error_px": 5.0}, {"loss": 2.0, "error_px": 9.0}
    found = iter([best, *(worse,) * 9])
    session.learner.validate = lambda: next(found)
    first = [w.clone() for w in weights(session)]
    state = session.run()
    # The best is the first; two waits, one reduction, two more waits.
    assert state.updates == 5
    assert state.best == best
    assert state.best_frames == state.evaluations[0]["frames"]
    assert session.learner.optimiser.param_groups[0]["lr"] == pytest.approx(1e-13)
    for before, after in zip(first, weights(session), strict=True):
        torch.testing.assert_close(before, after, atol=1e-6, rtol=0)


def test_it_stops_when_its_minutes_are_over():
    state = training(max_updates=None, max_minutes=1e-9, evaluate_every=100).run()
    assert state.updates == 1 and math.isfinite(state.best["loss"])


def test_a_loss_that_is_no_number_is_said():
    session = training()
    next(session.network.parameters()).data[0] = float("nan")
    with pytest.raises(SfpipeError, match=r"policy_loss is nan after 0 examples"):
        session.run()


def test_a_foreign_checkpoint_is_said(tmp_path):
    file = tmp_path / "c.pt"
    save_checkpoint(file, {"course": {"updates": 1}})
    with pytest.raises(SfpipeError, match=re.escape("is no checkpoint of this training")):
        training(checkpoint=file).run()


def test_stage_from_stores_to_games(tmp_path):
    write_stores(tmp_path)
    stores = tmp_path / "data/scores/toy.h5", tmp_path / "data/spectrograms/toy.h5"
    out, checkpoints = tmp_path / "mm-loc", tmp_path / "checkpoints"
    state = train_mm_loc(MmLocParams(**MM_LOC), *stores, out, seed=1, checkpoints=checkpoints)
    network, card = load_mm_loc(out)
    assert network.buckets == 10 and network.window.name == "nottingham"
    assert card["state"]["updates"] == state.updates == 5 and card["context_frames"] == 80
    assert 0 <= card["validation_r_on"] <= 1
    assert json.loads((out / "mm-loc.json").read_text())["params"]["crops"] == 2
    assert not list(checkpoints.glob("*"))  # not needed any more
    test = load_evaluation_set(*stores, NOTTINGHAM, split="test")
    games = load_follower("mm-loc", Sources(*stores, models=tmp_path)).play(test, trials=3)
    assert [game.piece for game in games] == ["tune2"]


def test_the_window_must_be_that_of_the_stores(tmp_path):
    from sfpipe.baselines.mm_loc import save_mm_loc

    save_mm_loc(tmp_path / "mm-loc", MmLoc(WINDOWS["msmd"]), {})
    write_stores(tmp_path)
    stores = tmp_path / "data/scores/toy.h5", tmp_path / "data/spectrograms/toy.h5"
    follower = load_follower("mm-loc", Sources(*stores, models=tmp_path))
    with pytest.raises(SfpipeError, match="trained for the window msmd, these stores have nott"):
        follower.reset(score_record("a", [20, 140], width=300))


def test_it_is_trained_when_there_is_none_for_these_parameters(tmp_path):
    write_stores(tmp_path)
    stores = tmp_path / "data/scores/toy.h5", tmp_path / "data/spectrograms/toy.h5"
    out, params = tmp_path / "mm-loc", MmLocParams(**MM_LOC | {"max_updates": 1})
    assert ready_mm_loc(params, *stores, out, seed=1)
    assert not ready_mm_loc(params, *stores, out, seed=1)
    assert not ready_mm_loc(params.model_copy(update={"threads": 1}), *stores, out, seed=1)
    assert ready_mm_loc(params, *stores, out, seed=1, again=True)
    assert ready_mm_loc(params, *stores, out, seed=2)
    (out / "mm-loc.json").write_text("{")
    with pytest.raises(SfpipeError, match="is not valid JSON"):
        ready_mm_loc(params, *stores, out, seed=2)
