"""Each algorithm on a tiny game whose optimum is known, and proofs of their parts."""

import pytest
import torch

from sfpipe.agents.agent import AgentPlayer
from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.policy import Actor
from sfpipe.game.play import play_games, share_of_onsets
from sfpipe.game.players import Expert
from sfpipe.params import TrainParams
from sfpipe.store.window import WINDOWS
from sfpipe.training.a2c import A2C
from sfpipe.training.ppo import PPO, clipped_loss
from sfpipe.training.returns import n_step_returns
from sfpipe.training.rollout import collect, entropy_of, log_prob_of
from sfpipe.training.stage import LEARNERS
from tests.toy import TinyNetwork, ramp_bank, toy_bank

PLAY = {"num_envs": 16, "learning_rate": 5e-3, "ent_coef": 0.005}
IMITATION = {
    "num_envs": 16,
    "num_steps": 15,
    "learning_rate": 5e-3,
    "final_learning_rate": 5e-3,
    "warmup_steps": 0,
    "beta_frames": 2000,
    "temperature": 1.0,
    "random_start": 0.0,
    "vf_coef": 0.5,
    "expected_cost_coef": 0.0,
    "transcription_coef": 0.0,
}
PARAMS: dict = {
    "preset": "paper",
    "reinforce": PLAY,
    "a2c": PLAY,
    "ppo": PLAY | {"update_epochs": 4, "minibatch_size": 240},
    "dagger": IMITATION,
}
ALGORITHMS = [name for name in LEARNERS if name != "pretraining"]


def changed(**sections) -> TrainParams:
    """PARAMS with some values of some sections changed."""
    return TrainParams(**PARAMS | {k: PARAMS[k] | v for k, v in sections.items()})


def make(algo: str, bank=None, seed: int = 1, params: TrainParams | None = None):
    bank = bank or ramp_bank()
    return LEARNERS[algo](TinyNetwork(), bank, bank, params or changed(), seed=seed)


UPDATES = {"dagger": 60, "ppo": 150, "a2c": 400, "reinforce": 150}


def mean_error(bank, player):
    games = play_games(bank, player)
    return share_of_onsets(games), sum(abs(g.error_px).mean() for g in games) / len(games)


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_solves_a_tiny_game(algo):
    bank = ramp_bank()
    learner = make(algo, bank)
    player = AgentPlayer(learner.actor, deterministic=True)
    before, _ = mean_error(bank, player)
    assert before < 0.9
    for _ in range(UPDATES[algo]):
        learner.update()
    r_on, error = mean_error(bank, player)
    assert r_on == 1.0
    assert error < 3 + mean_error(bank, Expert(bank))[1]


@pytest.mark.parametrize("algo", ["a2c", "reinforce"])
def test_normalised_advantages_solve_it_in_sixty_updates(algo):
    bank = ramp_bank()
    learner = make(algo, bank, params=changed(**{algo: {"normalize_advantage": True}}))
    for _ in range(60):
        learner.update()
    assert mean_error(bank, AgentPlayer(learner.actor, deterministic=True))[0] == 1.0


def test_reinforce_solves_it_by_stretches_of_games_that_go_on():
    bank = ramp_bank()
    stretches = {"normalize_advantage": True, "num_steps": 40, "num_envs": 8}
    learner = make("reinforce", bank, params=changed(reinforce=stretches))
    frames = {learner.update()["frames"] for _ in range(60)}
    assert frames == {320}
    assert mean_error(bank, AgentPlayer(learner.actor, deterministic=True))[0] == 1.0


def test_reinforce_refuses_stretches_in_which_no_return_is_known():
    with pytest.raises(ValueError, match="num_steps 20 is too few to know a return"):
        changed(reinforce={"num_steps": 20, "gamma": 0.9})


def test_expected_cost_alone_teaches_where_labels_say_nothing():
    def error_after(coef):
        # At this temperature the three labels are equal whatever they cost.
        imitation = {"temperature": 1e6, "expected_cost_coef": coef, "beta_frames": 0}
        bank = ramp_bank()
        learner = make("dagger", bank, params=changed(dagger=imitation))
        for _ in range(60):
            figures = learner.update()
        player = AgentPlayer(learner.actor, deterministic=True)
        return mean_error(bank, player)[0], float(figures["expected_cost"])

    without, with_it = error_after(0.0), error_after(50.0)
    assert without[0] < 0.9
    assert with_it[0] == 1.0
    assert with_it[1] < 0.5 * without[1]


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_two_seeded_runs_are_bit_equal(algo):
    def run(seed):
        learner = make(algo, seed=seed)
        figures = [learner.update() for _ in range(4)]
        return learner.network.state_dict(), [float(f["reward"]) for f in figures]

    (a, rewards_a), (b, rewards_b), (_, rewards_c) = run(5), run(5), run(6)
    assert rewards_a == rewards_b
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert rewards_a != rewards_c


def test_ratio_is_one_before_the_first_update():
    learner = make("ppo", seed=0)
    rollout = collect(learner.game, learner.actor, 15)
    seen = learner.actor.observe(learner.bank, rollout.flat_index())
    logits, values = learner.actor.forward(seen)
    ratio = (log_prob_of(logits, rollout.action.flatten()) - rollout.log_prob.flatten()).exp()
    torch.testing.assert_close(ratio, torch.ones_like(ratio), atol=1e-5, rtol=0)
    torch.testing.assert_close(values, rollout.value.flatten(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("algo", ["ppo", "a2c", "reinforce"])
def test_actions_that_last_some_frames_are_learned_from_where_they_begin(algo):
    skipping = {"frame_skip": 4, "frame_skip_share": 0.6}
    window = WINDOWS["nottingham"]
    network = ActorCritic(window).initialise(torch.Generator().manual_seed(0)).placed("cpu")
    bank = toy_bank(window)
    learner = LEARNERS[algo](network, bank, bank, changed(**{algo: skipping}), seed=0)
    rollout = learner.play(6, graph=False)
    frame, over = rollout.index.frame, rollout.terminated
    assert ((frame[1:] - frame[:-1] == 4) | over[:-1]).all()
    assert not over.all()
    # Its sound, heard ahead of play, is that of the states themselves.
    logits, values = learner.forward(rollout.flat_index())
    torch.testing.assert_close(logits, rollout.logits.flatten(0, 1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(values, rollout.value.flatten(), atol=1e-4, rtol=1e-4)
    lasting = []
    for progress in (0.0, 0.3, 0.59, 0.6, 1.0):
        learner.set_progress(progress)
        lasting.append(learner.frame_skip)
    assert lasting == [4, 4, 4, 1, 1]


def with_branches(algo, params):
    """A learner whose network has both branches of the paper, on a bank it can play for a while."""
    window = WINDOWS["nottingham"]
    network = ActorCritic(window).initialise(torch.Generator().manual_seed(0)).placed("cpu")
    bank = toy_bank(window)
    return algo(network, bank, bank, params, seed=0)


PLAYED = {"num_envs": 3, "num_steps": 8, "max_grad_norm": 1e9, "learning_rate": 1e-6}


def same_gradients(learner, twin):
    wanted = dict(twin.network.named_parameters())
    for name, ours in learner.network.named_parameters():
        scale = float(wanted[name].grad.abs().max())
        assert scale > 0, name
        torch.testing.assert_close(ours.grad, wanted[name].grad, atol=1e-4 * scale, rtol=1e-3)


@pytest.mark.parametrize("normalize", [False, True])
def test_a2c_descends_on_what_a_second_look_at_the_rollout_gives(normalize):
    params = changed(a2c=PLAYED | {"normalize_advantage": normalize})
    learner, twin = (with_branches(A2C, params) for _ in range(2))
    plan = twin.params
    rollout = collect(twin.game, twin.actor, plan.num_steps)
    assert not rollout.value.requires_grad
    seen = twin.actor.observe(twin.bank, rollout.flat_index())
    logits, values = twin.actor.forward(seen)
    returns = n_step_returns(rollout.reward, rollout.terminated, rollout.last_value, plan.gamma)
    advantages = (returns - rollout.value).flatten()
    if normalize:
        advantages = (advantages - advantages.mean()) / advantages.std(correction=0)
    loss = -(advantages * log_prob_of(logits, rollout.action.flatten())).mean()
    loss = loss + plan.vf_coef * (returns.flatten() - values).square().mean()
    (loss - plan.ent_coef * entropy_of(logits).mean()).backward()
    learner.update()
    same_gradients(learner, twin)


@pytest.mark.parametrize("epochs", [1, 3])
def test_ppo_in_one_minibatch_descends_on_what_a_second_look_gives(epochs, monkeypatch):
    """A minibatch of the whole rollout, by the weights that played it, is not computed twice."""
    params = changed(ppo=PLAYED | {"update_epochs": epochs, "minibatch_size": 24})
    learner, twin = (with_branches(PPO, params) for _ in range(2))
    figures = learner.update()
    played = collect
    looks = []

    def without_graph(*arguments, graph, **others):
        assert graph
        return played(*arguments, **others)

    def again(rollout):
        looks.append(1)
        return twin.actor.forward(twin.actor.observe(twin.bank, rollout.flat_index()))

    monkeypatch.setattr("sfpipe.training.player.collect", without_graph)
    monkeypatch.setattr("sfpipe.training.rollout.Rollout.answers", again)
    wanted = twin.update()
    assert looks == [1]
    for name in figures:
        torch.testing.assert_close(figures[name], wanted[name], atol=1e-5, rtol=1e-4)
    same_gradients(learner, twin)


@pytest.mark.parametrize(("batch", "passes"), [(240, 0), (120, 2)])
def test_ppo_looks_again_only_at_parts_of_a_rollout(batch, passes, monkeypatch):
    params = changed(ppo={"update_epochs": 1, "minibatch_size": batch})
    learner = make("ppo", seed=0, params=params)
    looks = []
    look = type(learner.actor).observe
    monkeypatch.setattr(
        "sfpipe.agents.policy.Actor.observe", lambda *a: (looks.append(1), look(*a))[1]
    )
    learner.update()
    assert len(looks) == passes


def test_clipped_loss_by_hand():
    ratio = torch.tensor([1.5, 0.5, 1.5, 0.5])
    advantage = torch.tensor([1.0, 1.0, -1.0, -1.0])
    # min(1.5, 1.2), min(.5, .8), min(-1.5, -1.2), min(-.5, -.8)
    expected = -(1.2 + 0.5 - 1.5 - 0.8) / 4
    assert clipped_loss(ratio, advantage, 0.2).item() == pytest.approx(expected)


def test_actor_draws_from_its_policy():
    actor = Actor(TinyNetwork(), torch.Generator().manual_seed(0))
    logits = torch.log(torch.tensor([[0.2, 0.5, 0.3]])).expand(20_000, 3)
    share = torch.bincount(actor.sample(logits), minlength=3) / 20_000
    torch.testing.assert_close(share, torch.tensor([0.2, 0.5, 0.3]), atol=0.015, rtol=0)


def test_warm_up_begins_with_short_steps():
    """Adam's first step is as long as its rate; here it is a tenth, and the rate comes back."""
    moved = []
    for warm_up in (0, 10):
        imitation = {"num_envs": 4, "num_steps": 4, "minibatch_size": 16, "learning_rate": 1e-3}
        params = changed(dagger=imitation | {"warmup_steps": warm_up})
        learner = make("dagger", params=params)
        before = [p.detach().clone() for p in learner.network.parameters()]
        learner.update()  # of one minibatch
        after = [p.detach() for p in learner.network.parameters()]
        moved.append(max(float((a - b).abs().max()) for a, b in zip(after, before, strict=True)))
        assert learner.optimiser.param_groups[0]["lr"] == pytest.approx(1e-3)
        assert learner.warmth() == pytest.approx(1 if not warm_up else 0.2)
    assert moved == [pytest.approx(1e-3, rel=1e-2), pytest.approx(1e-4, rel=1e-2)]


def test_entropy_and_learning_rate_decay_to_their_final_values():
    decay = {"ent_coef": 0.05, "final_ent_coef": 0.01, "final_learning_rate": 5e-5}
    learner = make("a2c", params=changed(a2c=decay))  # begins at 5e-3
    for progress, ent_coef, rate in ((0.0, 0.05, 5e-3), (0.5, 0.03, 5e-4), (1.0, 0.01, 5e-5)):
        learner.set_progress(progress)
        assert learner.ent_coef == pytest.approx(ent_coef)
        assert learner.optimiser.param_groups[0]["lr"] == pytest.approx(rate)
    constant = make("a2c")
    constant.set_progress(0.7)
    assert constant.ent_coef == 0.005
    assert constant.optimiser.param_groups[0]["lr"] == 5e-3


@pytest.mark.parametrize("algo", ["ppo", "a2c", "reinforce"])
def test_an_update_uses_the_present_weight_of_the_entropy(algo):
    def weights_after(progress=0.0, **values):
        learner = make(algo, params=changed(**{algo: values}))
        learner.set_progress(progress)
        learner.learn()
        return torch.cat([p.detach().flatten() for p in learner.network.parameters()])

    decayed = weights_after(progress=1.0, ent_coef=0.05, final_ent_coef=0.01)
    assert torch.equal(decayed, weights_after(ent_coef=0.01))
    assert not torch.equal(decayed, weights_after(ent_coef=0.05))
