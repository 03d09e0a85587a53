"""Pretraining: crops are states of the game; the losses of play come out the same; it teaches."""

import copy

import pytest
import torch

from sfpipe.agents.dense_conv import DenseBranch
from sfpipe.agents.networks import ActorCritic
from sfpipe.errors import SfpipeError
from sfpipe.game import dynamics
from sfpipe.params import TrainParams
from sfpipe.store.bank import MemoryFormat
from sfpipe.store.schema import BINS, EXCERPT
from sfpipe.store.window import WINDOWS
from sfpipe.training.crops import StateCropCutter
from sfpipe.training.dagger import Dagger
from sfpipe.training.pretraining import Pretraining
from sfpipe.training.stage import minute_shares, playing_phases
from sfpipe.training.trainer import Trainer
from tests.toy import ramp_bank, stop_after, toy_bank


def parts(name, windows=5, excerpts=7):
    window = WINDOWS[name]
    bank = toy_bank(window)
    network = ActorCritic(window, dropout=0.0).initialise(torch.Generator().manual_seed(0))
    score = DenseBranch(network.score, 2, window.image_shape)
    sound = DenseBranch(network.spectrogram, 2, (BINS, EXCERPT))
    sampler = StateCropCutter(bank, score, sound, windows, excerpts, speed_spread=8.0)
    return bank, network, score, sound, sampler


@pytest.mark.parametrize("name", WINDOWS)
def test_crops_are_made_of_states_of_the_game(name):
    bank, _, _, _, sampler = parts(name)
    crops = sampler.sample(200, torch.Generator().manual_seed(3))
    which = crops.playable.nonzero().unbind(1)
    assert len(which[0]) > 400
    states = crops.states(which)
    error = states.position - dynamics.target(bank, states.performance, states.frame)
    torch.testing.assert_close(error, crops.error[which])
    assert bool((error.abs() <= bank.window.threshold_px).all())
    assert bool((states.frame > bank.first_frame[states.performance]).all())
    assert bool((states.frame <= bank.last_frame[states.performance]).all())
    half = bank.window.width / 2
    assert bool((states.position >= half).all())
    assert bool((states.position <= bank.strip_width[states.performance] - half).all())
    assert set(states.performance.tolist()) == {0, 1, 2}
    # Speeds are around the target's own, often near and sometimes far.
    pace = dynamics.target(bank, states.performance, states.frame)
    pace = (pace - dynamics.target(bank, states.performance, (states.frame - 4).clamp(min=0))) / 4
    off = (states.speed - pace).abs()
    assert float((off < 3).float().mean()) > 0.4 and float(off.max()) > 6
    # Neighbours begin one stride apart, and speeds are near the target's own.
    assert crops.position.diff(dim=1).unique().tolist() == [sampler.step_px]
    assert crops.frame.diff(dim=1).unique().tolist() == [sampler.step_frames]


@pytest.mark.parametrize("name", WINDOWS)
def test_what_is_seen_is_what_a_player_would_see(name):
    """Cut out of the wide images, every state's observation is the game's, bit by bit."""
    bank, _, score, sound, sampler = parts(name)
    crops = sampler.sample(20, torch.Generator().manual_seed(4))
    seen = sampler.observe(crops, MemoryFormat())
    which = crops.playable.nonzero().unbind(1)
    states = crops.states(which)
    states = states._replace(  # the game keeps to the paper
        previous_position=states.previous_position.clamp(min=bank.window.width / 2)
    )
    observed = dynamics.observe(bank, dynamics.observation_index(bank, states))
    for i, (p, w, e) in enumerate(zip(*(x.tolist() for x in which), strict=True)):
        at = w * score.stride
        if (crops.position[p, 0] - crops.speed[p]) < bank.window.width / 2:
            continue  # the whole passage is held where its first window is
        here = seen.score[p, :, :, at : at + bank.window.image_shape[1]]
        assert torch.equal(here, observed.score[i])
        at = e * sound.stride
        assert torch.equal(seen.spectrogram[p, :, :, at : at + EXCERPT], observed.spectrogram[i])


def learner_of(name="nottingham", bank=None, **changes):
    toy, network, *_ = parts(name)
    fields = {"crops": 4, "windows": 5, "excerpts": 7} | changes
    params = TrainParams(preset="paper", common={"dropout": 0.0}, pretraining=fields)
    return Pretraining(network, bank or toy, toy, params, seed=0)


@pytest.mark.parametrize("name", WINDOWS)
def test_embeddings_equal_those_of_the_network(name):
    learner = learner_of(name)
    crops = learner.sampler.sample(3, torch.Generator().manual_seed(5))
    which = crops.playable.nonzero().unbind(1)
    states = crops.states(which)
    with torch.no_grad():
        seen = learner.sampler.observe(crops, learner.memory_format)
        score = learner.score.dense(learner.score.cut(learner.score.maps(seen.score)))
        sound = learner.sound.dense(learner.sound.cut(learner.sound.maps(seen.spectrogram)))
        shared = learner.network.join_pairs(score, sound, which)
        alone = learner.actor.embed(
            learner.actor.observe(learner.bank, dynamics.observation_index(learner.bank, states))
        )
    torch.testing.assert_close(shared, alone, atol=1e-4, rtol=1e-4)


def test_everything_is_learned():
    """The same crops again and again: all that is asked about them can be known."""
    learner = learner_of(learning_rate=2e-3, crops=3)
    crops = learner.sampler.sample(3, torch.Generator().manual_seed(6))
    learner.sampler.sample = lambda *_: crops
    figures = [learner.update() for _ in range(45)]
    first, last = ({k: float(v) for k, v in f.items()} for f in (figures[0], figures[-1]))
    shares = {
        "policy_loss": 0.3,
        "expected_cost": 0.3,
        "contrastive_loss": 0.5,
        "contrastive_px": 0.3,
        "localisation_loss": 0.5,
        "transcription_loss": 0.1,
    }
    for name, share in shares.items():
        assert last[name] < share * first[name], name
    assert last["agreement"] > 0.9 > first["agreement"]
    assert learner.frames == sum(f["frames"] for f in figures)


def test_it_goes_on_where_it_stopped():
    one, other = learner_of(), learner_of()
    for _ in range(3):
        one.update()
    other.load_state_dict(one.state_dict())
    first, second = one.update(), other.update()
    assert {k: float(v) for k, v in first.items()} == {k: float(v) for k, v in second.items()}


def training(pretraining=None, dagger=None, **options):
    """Pretraining, then imitation, then A2C."""
    games = {"num_envs": 2, "num_steps": 4}
    small = {"max_frames": 400, "crops": 2, "windows": 3, "excerpts": 4, "evaluate_every": 3}
    plain = {"transcription_coef": 0.0, "minibatch_size": 4, "max_frames": 4 * 8}
    params = TrainParams(
        preset="paper",
        common={"dropout": 0.0, "warm_start": "dagger", "evaluate_every": 2},
        a2c=games | {"max_frames": 3 * 8},
        pretraining=small | (pretraining or {}),
        dagger=games | plain | (dagger or {}),
    )
    bank = ramp_bank(3, WINDOWS["nottingham"])
    network = ActorCritic(WINDOWS["nottingham"], dropout=0.0)
    network.initialise(torch.Generator().manual_seed(0))
    phases = playing_phases(params.phases("a2c"), network, bank, bank, params, seed=1)
    return Trainer(phases, params.common, **options)


def test_pretraining_comes_first_and_hands_on_its_last_weights():
    trainer = training()
    handed_on, last = {}, {}
    make, update = trainer.phases["dagger"], trainer.learner.update

    def watch():
        handed_on.update(copy.deepcopy(trainer.network.state_dict()))
        return make()

    def last_weights():
        figures = update()
        last.update(copy.deepcopy(trainer.network.state_dict()))
        return figures

    trainer.phases = {**trainer.phases, "dagger": watch}
    trainer.learner.update = last_weights
    done = trainer.run()
    assert trainer.names == ["pretraining", "dagger", "a2c"]
    assert {row["phase"] for row in done.evaluations} == {0, 1, 2}
    assert all(torch.equal(v, handed_on[k]) for k, v in last.items())


@pytest.mark.parametrize("updates", [2, 9])
def test_all_phases_resume_exactly(tmp_path, updates):
    whole, file = training(), tmp_path / "c.pt"
    whole.run()
    with pytest.raises(SfpipeError, match="interrupted"):
        training(checkpoint=file, should_stop=stop_after(updates)).run()
    resumed = training(checkpoint=file)
    resumed.run()
    assert resumed.state.frames == whole.state.frames
    weights = resumed.network.state_dict()
    assert all(torch.equal(v, weights[k]) for k, v in whole.network.state_dict().items())


def test_time_is_shared_between_the_phases():
    """Pretraining has its share of the minutes, the others what is left, by their frames."""
    params = TrainParams(
        preset="paper",
        common={"warm_start": "dagger"},
        ppo={"max_frames": 100},
        pretraining={"max_frames": 10**9, "share_of_minutes": 0.4},
        dagger={"max_frames": 500},
    )
    shares = minute_shares(params.phases("ppo"), params)
    assert shares == pytest.approx({"pretraining": 0.4, "dagger": 0.9, "ppo": 1.0})
    trainer = training(shares=shares)
    trainer.rule = trainer.rule.model_copy(update={"max_minutes": 10})
    trainer.state.seconds = 2 * 60
    assert trainer._done() == pytest.approx(0.5)
    trainer.state.phase, trainer.state.seconds = 1, 6.5 * 60
    trainer.learner = trainer.phases["dagger"]()
    assert trainer._done() == pytest.approx(0.5)
    trainer.state.phase_frames = 24  # of 32
    assert trainer._done() == pytest.approx(0.75)


def test_the_states_of_pretraining_are_counted_apart():
    done = training().run()
    ended = next(row["frames"] for row in done.evaluations if row["phase"] == 1)
    assert 400 <= done.pretraining_frames < ended < done.frames
    assert done.frames - done.pretraining_frames == 4 * 8 + 3 * 8  # what dagger and A2C played


def test_dagger_goes_on_with_what_pretraining_trained_beside():
    trainer = training(dagger={"transcription_coef": 1.0, "localisation_coef": 1.0})
    pretraining = trainer.learner
    trainer.should_stop = lambda: trainer.state.phase == 1
    with pytest.raises(SfpipeError, match="interrupted"):
        trainer.run()
    assert isinstance(pretraining, Pretraining) and isinstance(trainer.learner, Dagger)
    for name in ("transcription", "localisation"):
        taught, taken = (x.auxiliary[name].state_dict() for x in (pretraining, trainer.learner))
        assert all(torch.equal(taught[k], taken[k]) for k in taught)


@pytest.mark.parametrize("name", WINDOWS)
def test_no_crop_leaves_the_last_strip(name):
    """At its right end the previous state, ahead of the present one, is held within it."""
    bank, _, _, _, sampler = parts(name)
    crops = sampler.sample(500, torch.Generator().manual_seed(3))
    wide = sampler.image_columns[0] * bank.window.shrink
    end = bank.strip_width[crops.performance] - wide - 2 + bank.window.width / 2
    crops = crops._replace(
        position=end[:, None] + torch.arange(sampler.windows) * sampler.step_px,
        speed=torch.full_like(crops.speed, -60.0),
    )
    seen = sampler.observe(crops, MemoryFormat())
    # The previous state is one column further to the right, not 60.
    ink = seen.score[:, 0]
    if bank.window.shrink == 1:
        torch.testing.assert_close(seen.score[:, 1, :, :-1], ink[:, :, :-1] - ink[:, :, 1:])
