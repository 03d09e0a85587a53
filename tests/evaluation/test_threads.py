import pytest
import torch

from sfpipe.agents.agent import save_agent
from sfpipe.agents.hardware import computing_threads
from sfpipe.agents.networks import ActorCritic
from sfpipe.evaluation.real import evaluate_real
from sfpipe.evaluation.stage import evaluate
from sfpipe.following.loaded import LoadedFollower
from sfpipe.following.sources import Sources
from sfpipe.params import BaselinesParams, EvaluateParams, SynthesizeParams
from sfpipe.store.window import WINDOWS
from tests.evaluation.test_real import write_human


@pytest.fixture
def three():
    """Three threads before and, whatever an evaluation computes with, after it."""
    with computing_threads(3):
        yield
        assert torch.get_num_threads() == 3


@pytest.mark.parametrize(("wanted", "used"), [(1, 1), (None, 3)])
def test_evaluations_compute_with_as_many_threads_as_they_are_told(
    tmp_path, monkeypatch, three, wanted, used
):
    write_human(tmp_path)
    save_agent(tmp_path / "mine", ActorCritic(WINDOWS["nottingham"]), {"window": "nottingham"})
    play, seen = LoadedFollower.play, set()

    def listening(*args, **options):
        seen.add(torch.get_num_threads())
        return play(*args, **options)

    monkeypatch.setattr(LoadedFollower, "play", listening)
    scores, performances = tmp_path / "scores.h5", tmp_path / "human.h5"
    params = EvaluateParams(trials=1, real_trials=1, device="cpu", threads=wanted)
    arguments = {"seed": 1, "quiet": True}
    evaluate(params, scores, performances, tmp_path / "mine", tmp_path / "out", **arguments)
    assert seen == {used}
    seen.clear()
    sources = Sources(scores, performances, tmp_path, BaselinesParams(), SynthesizeParams())
    evaluate_real(params, sources, tmp_path / "mine", tmp_path / "out", **arguments)
    assert seen == {used}


def test_threads_are_given_back_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), computing_threads(before + 1):
        1 / 0  # noqa: B018  # for its error
    assert torch.get_num_threads() == before
