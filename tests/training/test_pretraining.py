"""Study: passages are states of the game; the losses of play come out the same; it teaches."""

import copy

import pytest
import torch

from sfpipe.agents.dense_conv import DenseBranch
from sfpipe.agents.networks import ActorCritic
from sfpipe.errors import SfpipeError
from sfpipe.game import dynamics
from sfpipe.params import DaggerParams, Schedule, StudyParams
from sfpipe.store.bank import MemoryFormat
from sfpipe.store.schema import BINS, EXCERPT
from sfpipe.store.window import WINDOWS
from sfpipe.training.crops import CropSampler
from sfpipe.training.dagger import Dagger
from sfpipe.training.pretraining import Study
from sfpipe.training.trainer import Trainer
from tests.toy import ramp_bank, stop_after, toy_bank


def parts(name, windows=5, excerpts=7):
    window = WINDOWS[name]
    bank = toy_bank(window)
    network = ActorCritic(window, dropout=0.0).initialise(torch.Generator().manual_seed(0))
    score = DenseBranch(network.score, 2, window.seen)
    sound = DenseBranch(network.spectrogram, 2, (BINS, EXCERPT))
    sampler = CropSampler(bank, score, sound, windows, excerpts, speed_spread=8.0)
    return bank, network, score, sound, sampler


@pytest.mark.parametrize("name", WINDOWS)
def test_passages_are_made_of_states_of_the_game(name):
    bank, _, _, _, sampler = parts(name)
    passages = sampler.draw(200, torch.Generator().manual_seed(3))
    which = passages.playable.nonzero().unbind(1)
    assert len(which[0]) > 400
    states = passages.states(which)
    error = states.position - dynamics.target(bank, states.performance, states.frame)
    torch.testing.assert_close(error, passages.error[which])
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
    assert passages.position.diff(dim=1).unique().tolist() == [sampler.step_px]
    assert passages.frame.diff(dim=1).unique().tolist() == [sampler.step_frames]


@pytest.mark.parametrize("name", WINDOWS)
def test_what_is_seen_is_what_a_player_would_see(name):
    """Cut out of the wide images, every state's observation is the game's, bit by bit."""
    bank, _, score, sound, sampler = parts(name)
    passages = sampler.draw(20, torch.Generator().manual_seed(4))
    seen = sampler.look(passages, MemoryFormat())
    which = passages.playable.nonzero().unbind(1)
    states = passages.states(which)
    states = states._replace(  # the game keeps to the paper
        previous_position=states.previous_position.clamp(min=bank.window.width / 2)
    )
    observed = dynamics.observe(bank, dynamics.observation_index(bank, states))
    for i, (p, w, e) in enumerate(zip(*(x.tolist() for x in which), strict=True)):
        at = w * score.stride
        if (passages.position[p, 0] - passages.speed[p]) < bank.window.width / 2:
            continue  # the whole passage is held where its first window is
        here = seen.score[p, :, :, at : at + bank.window.seen[1]]
        assert torch.equal(here, observed.score[i])
        at = e * sound.stride
        assert torch.equal(seen.spectrogram[p, :, :, at : at + EXCERPT], observed.spectrogram[i])


def study(name="nottingham", bank=None, **changes):
    toy, network, *_ = parts(name)
    fields = {"frames": 1, "passages": 4, "windows": 5, "excerpts": 7} | changes
    return Study(network, bank or toy, Schedule(dropout=0, study=StudyParams(**fields)), seed=0)


@pytest.mark.parametrize("name", WINDOWS)
def test_embeddings_equal_those_of_the_network(name):
    learner = study(name)
    passages = learner.sampler.draw(3, torch.Generator().manual_seed(5))
    which = passages.playable.nonzero().unbind(1)
    states = passages.states(which)
    with torch.no_grad():
        seen = learner.sampler.look(passages, learner.memory_format)
        score = learner.score.dense(learner.score.cut(learner.score.maps(seen.score)))
        sound = learner.sound.dense(learner.sound.cut(learner.sound.maps(seen.spectrogram)))
        shared = learner.network.join_pairs(score, sound, which)
        alone = learner.actor.embed(
            learner.actor.observe(learner.bank, dynamics.observation_index(learner.bank, states))
        )
    torch.testing.assert_close(shared, alone, atol=1e-4, rtol=1e-4)


def test_everything_is_learned():
    """The same passages again and again: all that is asked about them can be known."""
    learner = study(learning_rate=2e-3, passages=3)
    passages = learner.sampler.draw(3, torch.Generator().manual_seed(6))
    learner.sampler.draw = lambda *_: passages
    figures = [learner.update() for _ in range(45)]
    first, last = ({k: float(v) for k, v in f.items()} for f in (figures[0], figures[-1]))
    shares = {
        "policy_loss": 0.3,
        "regret": 0.3,
        "match_loss": 0.5,
        "match_px": 0.3,
        "localise_loss": 0.5,
        "read_loss": 0.1,
    }
    for name, share in shares.items():
        assert last[name] < share * first[name], name
    assert last["agreement"] > 0.9 > first["agreement"]
    assert learner.frames == sum(f["frames"] for f in figures)


def test_it_goes_on_where_it_stopped():
    one, other = study(), study()
    for _ in range(3):
        one.update()
    other.load_state_dict(one.state_dict())
    first, second = one.update(), other.update()
    assert {k: float(v) for k, v in first.items()} == {k: float(v) for k, v in second.items()}


def course(tmp_path=None, **options):
    """Study, then imitation, then A2C."""
    window = WINDOWS["nottingham"]
    plan = Schedule(
        dropout=0,
        warm_start="dagger",
        evaluate_every=2,
        n_games=2,
        t_max=4,
        max_frames=3 * 8,
        study=StudyParams(frames=400, passages=2, windows=3, excerpts=4, evaluate_every=3),
        dagger=DaggerParams(frames=4 * 8, n_games=2, t_max=4, batch=4),
    )
    bank = ramp_bank(3, window)
    network = ActorCritic(window, dropout=0.0).initialise(torch.Generator().manual_seed(0))
    return Trainer(network, bank, bank, algo="a2c", schedule=plan, seed=1, **options)


def test_study_comes_first_and_hands_on_its_last_weights():
    trainer = course()
    handed_on = []
    make = trainer._make_learner

    def watch():
        handed_on.append((trainer.course.phase, copy.deepcopy(trainer.network.state_dict())))
        return make()

    trainer._make_learner = watch
    last = {}
    update = trainer.learner.update

    def study_update():
        figures = update()
        last.update(copy.deepcopy(trainer.network.state_dict()))
        return figures

    trainer.learner.update = study_update
    done = trainer.run()
    assert trainer.phases == ["study", "dagger", "a2c"]
    assert {row["phase"] for row in done.evaluations} == {0, 1, 2}
    phase, weights = handed_on[0]
    assert phase == 1
    assert all(torch.equal(v, weights[k]) for k, v in last.items())


@pytest.mark.parametrize("updates", [2, 9])
def test_a_course_with_study_resumes_exactly(tmp_path, updates):
    whole, file = course(), tmp_path / "c.pt"
    whole.run()
    with pytest.raises(SfpipeError, match="interrupted"):
        course(checkpoint=file, should_stop=stop_after(updates)).run()
    resumed = course(checkpoint=file)
    resumed.run()
    assert resumed.course.frames == whole.course.frames
    weights = resumed.network.state_dict()
    assert all(torch.equal(v, weights[k]) for k, v in whole.network.state_dict().items())


def test_time_is_shared_between_the_phases():
    """Study has its share of the minutes, the others what is left, by their frames."""
    plan = Schedule(
        warm_start="dagger",
        max_minutes=10,
        max_frames=100,
        study=StudyParams(frames=10**9, share=0.4),
        dagger=DaggerParams(frames=500),
    )
    bank = ramp_bank(3, WINDOWS["nottingham"])
    trainer = Trainer(
        ActorCritic(WINDOWS["nottingham"]), bank, bank, algo="ppo", schedule=plan, seed=1
    )
    assert [trainer._time(phase) for phase in range(3)] == [
        pytest.approx((0, 0.4)),
        pytest.approx((0.4, 0.9)),
        pytest.approx((0.9, 1)),
    ]
    trainer.course.seconds = 2 * 60
    assert trainer._progress() == pytest.approx(0.5)
    trainer.course.phase, trainer.course.seconds = 1, 6.5 * 60
    assert trainer._progress() == pytest.approx(0.5)
    trainer.course.phase_frames = 400
    assert trainer._progress() == pytest.approx(0.8)


def test_the_states_of_study_are_counted_apart():
    trainer = course()
    done = trainer.run()
    ended = next(row["frames"] for row in done.evaluations if row["phase"] == 1)
    assert 400 <= done.studied < ended < done.frames
    assert done.frames - done.studied == 4 * 8 + 3 * 8  # what dagger and A2C played


def test_dagger_goes_on_with_the_aids_of_study():
    trainer = course()
    aids = trainer.schedule.dagger.model_copy(update={"read_loss": 1.0, "localise_loss": 1.0})
    trainer.schedule = trainer.schedule.model_copy(update={"dagger": aids})
    study = trainer.learner

    def dagger_begins() -> bool:
        return trainer.course.phase == 1

    trainer.should_stop = dagger_begins
    with pytest.raises(SfpipeError, match="interrupted"):
        trainer.run()
    assert isinstance(study, Study) and isinstance(trainer.learner, Dagger)
    for name in ("reader", "localiser"):
        taught, found = (getattr(who, name).state_dict() for who in (study, trainer.learner))
        assert all(torch.equal(taught[k], found[k]) for k in taught)


@pytest.mark.parametrize("name", WINDOWS)
def test_no_passage_leaves_the_last_strip(name):
    """At its right end the previous state, ahead of the present one, is held within it."""
    bank, _, _, _, sampler = parts(name)
    passages = sampler.draw(500, torch.Generator().manual_seed(3))
    wide = sampler.seen[0] * bank.window.shrink
    end = bank.strip_width[passages.performance] - wide - 2 + bank.window.width / 2
    passages = passages._replace(
        position=end[:, None] + torch.arange(sampler.windows) * sampler.step_px,
        speed=torch.full_like(passages.speed, -60.0),
    )
    seen = sampler.look(passages, MemoryFormat())
    # The previous state is one column further to the right, not 60.
    ink = seen.score[:, 0]
    if bank.window.shrink == 1:
        torch.testing.assert_close(seen.score[:, 1, :, :-1], ink[:, :, :-1] - ink[:, :, 1:])
