import copy
from dataclasses import replace

import torch

from sfpipe.agents.networks import ActorCritic
from sfpipe.game import dynamics
from sfpipe.params import TrainParams
from sfpipe.store.bank import Bank
from sfpipe.store.heads import Heads
from sfpipe.store.window import WINDOWS
from sfpipe.training.auxiliary.transcription import TranscriptionHead
from sfpipe.training.dagger import Dagger
from tests.toy import NOTTINGHAM, performance_record, score_record


def toy_bank(window=NOTTINGHAM) -> Bank:
    score = score_record("a", [20, 60, 90], width=300, height=window.height)
    # One head at the top, one in the middle, one at the bottom of the strip.
    score.onset_y_px[:] = [1, window.height / 2, window.height - 1]
    return Bank({"a": score}, [performance_record("a", [0.5, 1.0, 2.0], frames=60)], window)


def test_labels_by_hand():
    bank = toy_bank()
    state = dynamics.start(bank, torch.zeros(1, dtype=torch.int64))
    heads, onsets = TranscriptionHead(bank, 1, 1).labels(dynamics.observation_index(bank, state))
    # The window begins 75 px before the first head: heads at columns 75, 115 and 145.
    assert heads[0].nonzero().tolist() == [[0, 7], [12, 11], [23, 14]]
    assert not onsets.any()  # the first onset's frame is the next one
    for _ in range(11):
        state, _ = dynamics.step(bank, state, torch.zeros(1, dtype=torch.float64), 1e9)
    # p is 11 frames after the first onset: onsets at excerpt frames 29 and 39.
    onsets = TranscriptionHead(bank, 1, 1).labels(dynamics.observation_index(bank, state))[1]
    # Without note heads the heights stand in for pitches: 0 and 12 of 24 are 0 and 44 of 88.
    assert onsets[0].nonzero().tolist() == [[0, 5], [44, 7]]


def test_every_head_of_a_chord_is_a_label():
    score = score_record("a", [20, 60, 90], width=300)
    # A chord of A0 and C8 on the second onset, a head above the window on the third.
    heads = Heads.of([0, 1, 1, 2], [20, 10, 30, -8], [60, 21, 108, 62])
    record = performance_record("a", [0.5, 1.0, 2.0], frames=60)
    bank = Bank({"a": replace(score, heads=heads)}, [record], NOTTINGHAM)
    state = dynamics.start(bank, torch.zeros(1, dtype=torch.int64))
    for _ in range(11):
        state, _ = dynamics.step(bank, state, torch.zeros(1, dtype=torch.float64), 1e9)
    seen, heard = TranscriptionHead(bank, 1, 1).labels(dynamics.observation_index(bank, state))
    assert seen[0].nonzero().tolist() == [[0, 14], [6, 11], [12, 7], [18, 11]]
    assert heard[0].nonzero().tolist() == [[0, 7], [39, 5], [87, 7]]


def test_labels_of_both_phases_of_a_shrunk_window():
    bank = toy_bank(WINDOWS["msmd"])
    reader = TranscriptionHead(bank, 1, 1)
    which = torch.zeros(2, dtype=torch.int64)
    state = dynamics.start(bank, which)
    state = state._replace(position=state.position + torch.tensor([0.0, 1.0]))
    even, odd = reader.labels(dynamics.observation_index(bank, state))[0]
    assert even.sum() == odd.sum() == 3


SMALL = {
    "num_envs": 4,
    "num_steps": 8,
    "minibatch_size": 16,
    "warmup_steps": 0,
    "expected_cost_coef": 0.0,
}


def test_it_teaches_both_branches_and_is_saved():
    bank = toy_bank()
    params = TrainParams(preset="paper", common={"dropout": 0.0}, dagger=SMALL)
    network = ActorCritic(NOTTINGHAM).initialise(torch.Generator().manual_seed(0))
    learner = Dagger(network, bank, bank, params, seed=0)
    losses = [float(learner.update()["transcription_loss"]) for _ in range(6)]
    assert losses[-1] < 0.7 * losses[0]
    again = Dagger(ActorCritic(NOTTINGHAM), bank, bank, params, seed=1)
    saved = copy.deepcopy(learner.state_dict())
    learner.update()
    again.load_state_dict(saved)
    again.update()
    for a, b in zip(
        learner.transcription.parameters(), again.transcription.parameters(), strict=True
    ):
        assert torch.equal(a, b)


def test_random_states_come_first_and_are_not_played():
    bank = toy_bank()
    params = TrainParams(dagger=SMALL | {"random_state_share": 0.5})
    network = ActorCritic(NOTTINGHAM).initialise(torch.Generator().manual_seed(0))
    learner = Dagger(network, bank, bank, params, seed=0)
    before = learner.game.state
    assert "agreement" not in learner.update()
    assert all(torch.equal(a, b) for a, b in zip(before, learner.game.state, strict=True))
    learner.progress = 0.5
    assert "agreement" in learner.update()
    assert not torch.equal(before.frame, learner.game.state.frame)
