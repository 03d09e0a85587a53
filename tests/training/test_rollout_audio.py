"""Sound heard ahead of play is what each state would have heard for itself."""

import pytest
import torch

from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.policy import Actor
from sfpipe.game.batched import BatchedGame
from sfpipe.params import TrainParams
from sfpipe.store.bank import Bank
from sfpipe.store.window import WINDOWS
from sfpipe.training.rollout_audio import RolloutAudioFeatures
from sfpipe.training.stage import LEARNERS
from tests.toy import performance_record, score_record, toy_bank


def actor_of(window) -> Actor:
    network = ActorCritic(window).initialise(torch.Generator().manual_seed(0)).placed("cpu").eval()
    return Actor(network, torch.Generator().manual_seed(1))


def count(actor: Actor) -> list[int]:
    """Sizes of the batches that the sound branch is given from now on, as they come."""
    sizes: list[int] = []
    first = actor.network.spectrogram[0]
    first.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    return sizes


def play(game: BatchedGame, actor: Actor, steps: int, *, acceleration: float, frame_skip: int = 1):
    """Features heard ahead and alone in each step, and how many games began within."""
    sound, began = RolloutAudioFeatures(actor, game.bank, game.n_games, frame_skip), 0
    for step in range(steps):
        at = game.observation_index()
        yield sound.at(at, steps - step), actor.audio_features(game.bank, at), began
        out = game.step(torch.full((game.n_games,), acceleration), frames=frame_skip)
        began += int((out.terminated).sum())


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("frame_skip", [1, 2, 4, 8])
@torch.no_grad()
def test_every_step_hears_what_it_would_alone_also_where_games_begin_anew(name, frame_skip):
    window = WINDOWS[name]
    actor, bank = actor_of(window), toy_bank(window)
    game = BatchedGame(bank, window, 5, seed=3)
    games = 0
    for ahead, alone, began in play(game, actor, 40, acceleration=4.0, frame_skip=frame_skip):
        torch.testing.assert_close(ahead, alone, atol=2e-5, rtol=1e-4)
        games = began
    assert games > 5


@torch.no_grad()
def test_the_first_frame_of_a_bank_and_its_last_are_heard_too():
    window = WINDOWS["nottingham"]
    scores = {"a": score_record("a", [20, 60], width=200)}
    bank = Bank(scores, [performance_record("a", [0.0, 2.95], frames=60)], window)
    assert int(bank.first_frame) == 40 and int(bank.last_frame) == 99
    actor, game = actor_of(window), BatchedGame(bank, window, 2, seed=0)
    steps = 0
    for ahead, alone, began in play(game, actor, 59, acceleration=0.0):
        torch.testing.assert_close(ahead, alone, atol=2e-5, rtol=1e-4)
        steps += not began
    assert steps == 59


@torch.no_grad()
def test_a_bank_that_is_shorter_than_a_rollout_is_heard_state_by_state_until_the_rest_fits():
    window = WINDOWS["nottingham"]
    scores = {"a": score_record("a", [20, 30], width=200)}
    bank = Bank(scores, [performance_record("a", [0.0, 0.3], frames=8)], window)
    game = BatchedGame(bank, window, 2, seed=0)
    for ahead, alone, _ in play(game, actor_of(window), 15, acceleration=0.0):
        torch.testing.assert_close(ahead, alone, atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_a_rollout_is_heard_in_one_go():
    window = WINDOWS["nottingham"]
    actor = actor_of(window)
    bank = toy_bank(window)
    game = BatchedGame(bank, window, 3, seed=1)
    game.step(torch.zeros(3))  # in their first states nothing has changed yet
    sizes = count(actor)
    sound = RolloutAudioFeatures(actor, bank, game.n_games)
    sizes.clear()  # of measuring the branch
    for left in (6, 5, 4, 3, 2, 1):
        sound.at(game.observation_index(), left)
        game.step(torch.zeros(3))
    assert sizes == [3 * 2]  # the columns between the first layer's, of three games


def test_gradients_are_those_of_the_windows_one_by_one():
    window = WINDOWS["nottingham"]
    bank = toy_bank(window)
    gradients = []
    for ahead in (True, False):
        actor, game = actor_of(window), BatchedGame(bank, window, 4, seed=3)
        sound, loss = RolloutAudioFeatures(actor, bank, game.n_games), torch.zeros(())
        for step in range(12):
            at = game.observation_index()
            heard = sound.at(at, 12 - step) if ahead else actor.audio_features(bank, at)
            loss = loss + (heard.square() * (step + 1)).mean()
            game.step(torch.ones(4))
        loss.backward()
        gradients.append([p.grad for p in actor.network.spectrogram.parameters()])
    for ours, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("algo", ["a2c", "ppo", "dagger"])
def test_learners_hear_their_rollouts_ahead(algo):
    """The first layer is given a handful of wide images, not an excerpt per state."""
    window = WINDOWS["nottingham"]
    network = ActorCritic(window).initialise(torch.Generator().manual_seed(0)).placed("cpu")
    size = {"num_envs": 4, "num_steps": 15}
    still = {"minibatch_size": 60, "beta_frames": 10**9, "random_start": 0.0}
    params = TrainParams(
        preset="paper",
        a2c=size,
        ppo=size | {"minibatch_size": 60},
        dagger=size | still | {"transcription_coef": 0.0},
    )
    bank = toy_bank(window)
    learner = LEARNERS[algo](network, bank, bank, params, seed=3)
    for _ in range(2):
        learner.game.step(torch.zeros(4))
    sizes = count(learner.actor)
    learner.update()
    played = [size for size in sizes if size < 60]
    assert played[:2] == [1, 8]  # to measure the branch, and four games between two columns
    assert sum(played) < 40


def test_first_states_of_the_last_step_are_heard_alone_only():
    window = WINDOWS["nottingham"]
    actor, game = actor_of(window), BatchedGame(toy_bank(window), window, 3, seed=1)
    sound = RolloutAudioFeatures(actor, game.bank, game.n_games)
    sizes = count(actor)
    with torch.no_grad():
        heard = sound.at(game.observation_index(), 1)
        assert sizes == [3]
        torch.testing.assert_close(heard, actor.audio_features(game.bank, game.observation_index()))
