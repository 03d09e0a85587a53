import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.training.returns import (
    generalised_advantages,
    known_returns,
    n_step_returns,
    normalised,
)


def column(*values):
    return torch.tensor(values, dtype=torch.float32)[:, None]


def test_returns_stop_at_the_end_of_a_game():
    terminated = torch.tensor([False, False, True, False, True])[:, None]
    returns = n_step_returns(column(1, 1, 1, 1, 1), terminated, torch.tensor([100.0]), gamma=0.5)
    assert returns.squeeze(1).tolist() == [1.75, 1.5, 1.0, 1.5, 1.0]


def test_last_value_continues_a_running_game():
    terminated = torch.tensor([True, False])[:, None]
    returns = n_step_returns(column(1, 1), terminated, torch.tensor([10.0]), gamma=0.5)
    assert returns.squeeze(1).tolist() == [1.0, 6.0]


def test_a_return_is_known_when_its_game_ends_or_little_is_missing():
    # At gamma 0.5 five steps that are left make the rest count 1/32, four make it 1/16.
    ends = torch.zeros(7, 2, dtype=torch.bool)
    ends[5, 1] = True
    rewards = torch.ones(7, 2)
    rewards[6] = 100
    returns, known = known_returns(rewards, ends, gamma=0.5)
    assert known[:, 0].tolist() == [True, True, True, False, False, False, False]
    assert known[:, 1].tolist() == [True] * 6 + [False]
    assert returns[5, 1] == 1 and returns[4, 1] == 1.5
    assert returns[5, 0] == 1 + 0.5 * 100


def test_advantages_by_hand():
    rewards, values = column(1, 2, 3), column(0.5, 1, 1.5)
    terminated = torch.tensor([False, False, False])[:, None]
    found = generalised_advantages(rewards, values, terminated, torch.tensor([2.0]), 0.9, 0.95)
    d2 = 3 + 0.9 * 2 - 1.5
    d1 = 2 + 0.9 * 1.5 - 1
    d0 = 1 + 0.9 * 1 - 0.5
    a2, a1 = d2, d1 + 0.855 * d2
    np.testing.assert_allclose(found.squeeze(1), [d0 + 0.855 * a1, a1, a2], rtol=1e-6)


games = st.integers(1, 12).flatmap(
    lambda t: st.tuples(
        st.lists(st.floats(0, 1, width=32), min_size=t, max_size=t),
        st.lists(st.floats(-5, 5, width=32), min_size=t, max_size=t),
        st.lists(st.booleans(), min_size=t, max_size=t),
        st.floats(-5, 5, width=32),
        st.floats(0, 0.99),
    )
)


@given(games)
@settings(max_examples=100, deadline=None)
def test_lambda_one_gives_returns_minus_values(case):
    rewards, values, terminated, last, gamma = case
    r, v, o = column(*rewards), column(*values), torch.tensor(terminated)[:, None]
    end = torch.tensor([last])
    gae = generalised_advantages(r, v, o, end, gamma, 1.0)
    torch.testing.assert_close(gae, n_step_returns(r, o, end, gamma) - v, rtol=1e-4, atol=1e-4)


@given(games)
@settings(max_examples=50, deadline=None)
def test_nothing_after_the_end_of_a_game_matters(case):
    rewards, values, terminated, last, gamma = case
    terminated[0] = True
    r, v, o = column(*rewards), column(*values), torch.tensor(terminated)[:, None]
    first = generalised_advantages(r, v, o, torch.tensor([last]), gamma, 0.95)[0]
    torch.testing.assert_close(first, r[0] - v[0])


def test_normalised():
    scaled = normalised(torch.arange(12.0).reshape(3, 4))
    assert abs(scaled.mean()) < 1e-6
    assert abs(scaled.std(correction=0) - 1) < 1e-5
