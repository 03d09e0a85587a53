"""Integrated gradients: completeness, the baseline, and what the attributions must not see."""

import numpy as np
import pytest
import torch

from sfpipe.agents.agent import load_agent
from sfpipe.agents.networks import ActorCritic
from sfpipe.game import dynamics
from sfpipe.game.dynamics import Observation
from sfpipe.inspection.integrated_gradients import Attributions, explain_states
from sfpipe.store.bank import Bank
from sfpipe.store.window import WINDOWS
from tests.pipeline.closure import ROOT
from tests.toy import performance_record, score_record

pytest.importorskip("captum", reason="pip install 'sfpipe[inspect]'")


def observations(window: str, n: int = 3) -> Observation:
    """States of a random strip with random sound."""
    height = WINDOWS[window].height
    score = score_record("tune", [600.0, 700.0, 900.0], width=1400, height=height)
    record = performance_record("tune", [0.5, 2.0, 4.0], frames=100)
    bank = Bank({"tune": score}, [record], WINDOWS[window])
    generator = torch.Generator().manual_seed(0)
    state = dynamics.scatter(bank, torch.zeros(n, dtype=torch.int64), generator, 50.0)
    return dynamics.observe(bank, dynamics.observation_index(bank, state))


def trained() -> ActorCritic:
    return load_agent(ROOT / "models/pretrained/ryan-dagger")[0]


def case(window: str) -> tuple[ActorCritic, Observation]:
    """The trained network of Table 1; a random one of Table 2, at its own scale."""
    if window == "nottingham":
        return trained(), observations("nottingham", 2)
    network = ActorCritic(WINDOWS["msmd"]).initialise(torch.Generator().manual_seed(1))
    return network.placed("cpu"), observations("msmd", 1)


def outputs(network: ActorCritic, seen: Observation) -> tuple[np.ndarray, np.ndarray]:
    network.eval()
    with torch.no_grad():
        logits, value = network(*(x.clone() for x in seen))
    return logits.numpy(), value.numpy()


# Probabilities saturate: of random states, within 1 %, they take hundreds of steps.
@pytest.mark.parametrize(
    ("window", "output", "tolerance"),
    [
        ("nottingham", "logit", 0.01),
        ("nottingham", "value", 0.01),
        ("nottingham", "probability", 0.5),
        ("msmd", "logit", 0.01),
    ],
)
def test_attributions_sum_to_what_the_state_changes(window, output, tolerance):
    network, seen = case(window)
    found = explain_states(network, seen, output=output, tolerance=tolerance)
    logits, value = outputs(network, seen)
    none = outputs(network, Observation(*(torch.zeros_like(x) for x in seen)))
    for i, action in enumerate(logits.argmax(1)):
        here, there = (
            {
                "logit": float(pair[0][i][action]),
                "value": float(pair[1][i]),
                "probability": float(torch.from_numpy(pair[0][i]).softmax(0)[action]),
            }[output]
            for pair in ((logits, value), none)
        )
        total = float(found.score[i].sum() + found.spectrogram[i].sum())
        bound = tolerance * max(abs(here - there), 0.1) + 1e-5
        assert total == pytest.approx(here - there, abs=bound)
        assert found.action[i] == action
    assert (found.incompleteness <= tolerance).all()
    assert found.score.shape == tuple(seen.score.shape)
    assert found.spectrogram.shape == tuple(seen.spectrogram.shape)


def test_planes_that_are_as_in_the_baseline_get_nothing():
    network, seen = case("nottingham")
    score = seen.score.clone()
    score[:, 1] = 0  # nothing has moved
    silent = Observation(score, torch.zeros_like(seen.spectrogram))
    found = explain_states(network, silent, steps=2, tolerance=9.0)
    assert (found.spectrogram == 0).all()
    assert (found.score[:, 1] == 0).all()
    assert (found.score[:, 0] != 0).any()


def test_other_actions_have_other_attributions():
    network, seen = case("nottingham")
    n = len(seen.score)
    slower = explain_states(network, seen, action=np.zeros(n, np.int64), tolerance=9.0, steps=2)
    faster = explain_states(network, seen, action=np.full(n, 2), tolerance=9.0, steps=2)
    assert (slower.action == 0).all() and (faster.action == 2).all()
    assert not np.allclose(slower.score, faster.score)


def test_batches_do_not_matter():
    network, seen = case("nottingham")
    whole = explain_states(network, seen, steps=4, tolerance=9.0)
    one = explain_states(network, seen, steps=4, tolerance=9.0, batch=4)
    np.testing.assert_allclose(one.score, whole.score, rtol=1e-3, atol=1e-5)
    assert len(explain_states(network, Observation(seen.score[:0], seen.spectrogram[:0]))) == 0


def test_incomplete_states_are_taken_again():
    network, seen = case("nottingham")
    rough = explain_states(network, seen, steps=4, tolerance=9.0)
    fine = explain_states(network, seen, steps=4)
    assert (rough.steps == 4).all()
    assert (fine.steps > 4).any()
    assert fine.incompleteness.max() <= 0.01 < rough.incompleteness.max()


def test_incompleteness_of_made_up_attributions():
    plane = np.zeros((2, 2, 4, 5), np.float32)
    plane[0, 0, 0, 0] = 1.9
    found = Attributions(
        score=plane,
        spectrogram=np.zeros((2, 2, 78, 40), np.float32),
        output=np.array([2.5, 0.51], np.float32),
        baseline=np.array([0.5, 0.5], np.float32),
        action=np.zeros(2, np.int64),
        steps=np.ones(2, np.int64),
    )
    assert found.incompleteness == pytest.approx([0.05, 0.1], rel=1e-5)
