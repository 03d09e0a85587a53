"""The same moment behind, on and ahead of the target: states, probabilities, pictures."""

import json

import cv2
import numpy as np
import pytest
import torch

from sfpipe.errors import SfpipeError
from sfpipe.game import dynamics
from sfpipe.inspection.policy import displaced, explain, situations
from sfpipe.inspection.states import AgentOnBank
from sfpipe.store.schema import EXCERPT

pytest.importorskip("captum", reason="pip install 'sfpipe[inspect]'")


def test_displaced_states_stand_elsewhere_in_the_same_music(trained):
    bank = trained.bank
    state = dynamics.start(bank, torch.tensor([0, 0, 0]))
    state = state._replace(position=state.position + 3, speed=state.speed + 3)
    moved = displaced(bank, state, torch.tensor([-20.0, 0.0, 1e6], dtype=torch.float64))
    assert moved.position.tolist()[:2] == [state.position[0] - 20, state.position[0]]
    assert (moved.position - moved.previous_position).tolist()[:2] == [3, 3]
    assert moved.position[2] == bank.strip_width[0] - 75 - 1
    assert (moved.frame == state.frame).all() and (moved.speed == state.speed).all()
    at = dynamics.observation_index(bank, moved)
    assert (at.frame == at.frame[0]).all() and len(at.column.unique()) == 3


def test_three_situations(trained):
    found = situations(trained, 0, offset_px=20.0)
    assert found.error_px == pytest.approx([-20, 0, 20], abs=0.5)
    assert found.probability.sum(1) == pytest.approx(np.ones(3), abs=1e-5)
    expected = found.probability[:, 2] - found.probability[:, 0]
    assert found.acceleration == pytest.approx(expected, abs=1e-6)
    assert found.observation.score.shape == (3, 2, 40, 150)
    # The sound is one; the three excerpts of the score are not.
    assert (found.observation.spectrogram[0] == found.observation.spectrogram[2]).all()
    assert (found.observation.score[0] != found.observation.score[2]).any()


def test_a_frame_may_be_chosen(trained):
    first = int(trained.bank.first_frame[1]) - EXCERPT
    assert situations(trained, 1, frame=first).frame == first
    with pytest.raises(SfpipeError, match=f"no frame 999 -> choose one of {first} to "):
        situations(trained, 1, frame=999)


@pytest.mark.parametrize("name", ["trained", "random_msmd"])
def test_pictures_and_figures(name, request, tmp_path):
    played: AgentOnBank = request.getfixturevalue(name)
    files = explain(played, tmp_path, performance=0, steps=2, tolerance=99.0)
    assert [f.name for f in files] == ["policy.png", "saliency.png", "explanation.json"]
    facts = json.loads((tmp_path / "explanation.json").read_text())
    assert facts["piece"] == "a"
    half = played.bank.window.threshold_px / 2
    errors = [state["tracking_error_px"] for state in facts["states"]]
    assert errors[2] - errors[1] == pytest.approx(half) or errors[2] > errors[1]
    for state in facts["states"]:
        assert state["steps"] == 2
        assert set(state["attribution"]) == {
            "score",
            "delta_score",
            "spectrogram",
            "delta_spectrogram",
        }
    for file in files[:2]:
        assert cv2.imread(str(file)).std() > 5  # something is drawn
