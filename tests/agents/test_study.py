"""Study: passages are states of the game; the losses of play come out the same; it teaches."""

import pytest
import torch

from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.passages import PassageSampler
from sfpipe.agents.shared import SharedBranch
from sfpipe.agents.study import Study
from sfpipe.game import dynamics
from sfpipe.params import Schedule, StudyParams
from sfpipe.store.bank import Bank, Layout
from sfpipe.store.schema import BINS, EXCERPT
from sfpipe.store.window import WINDOWS
from tests.toy import performance_record, ramp_bank, score_record


def toy_bank(window) -> Bank:
    scores = {
        "a": score_record("a", [20, 60, 140], width=301, height=window.height),
        "b": score_record("b", [33, 90, 200, 700], width=900, height=window.height, seed=1),
    }
    performances = [
        performance_record("a", [0.2, 1.2, 3.2], frames=70),
        performance_record("b", [0.5, 1.5, 4.0, 14.0], frames=300, seed=1),
        performance_record("a", [0.2, 1.2, 2.2], frames=50),  # the last one is a short one
    ]
    return Bank(scores, performances, window)


def parts(name, windows=5, excerpts=7):
    window = WINDOWS[name]
    bank = toy_bank(window)
    network = ActorCritic(window, dropout=0.0).initialise(torch.Generator().manual_seed(0))
    score = SharedBranch(network.score, 2, window.seen)
    sound = SharedBranch(network.spectrogram, 2, (BINS, EXCERPT))
    return bank, network, score, sound, PassageSampler(bank, score, sound, windows, excerpts)


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
    # Neighbours begin one stride apart, and speeds are near the target's own.
    assert passages.position.diff(dim=1).unique().tolist() == [sampler.step_px]
    assert passages.frame.diff(dim=1).unique().tolist() == [sampler.step_frames]


@pytest.mark.parametrize("name", WINDOWS)
def test_what_is_seen_is_what_a_player_would_see(name):
    """Cut out of the wide images, every state's observation is the game's, bit by bit."""
    bank, _, score, sound, sampler = parts(name)
    passages = sampler.draw(20, torch.Generator().manual_seed(4))
    seen = sampler.look(passages, Layout())
    which = passages.playable.nonzero().unbind(1)
    states = passages.states(which)
    states = states._replace(  # the game keeps to the paper
        previous_position=states.previous_position.clamp(min=bank.window.width / 2)
    )
    observed = dynamics.observe(bank, dynamics.view(bank, states))
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
        seen = learner.sampler.look(passages, learner.layout)
        score = learner.score.dense(learner.score.cut(learner.score.maps(seen.score)))
        sound = learner.sound.dense(learner.sound.cut(learner.sound.maps(seen.spectrogram)))
        shared = learner._join(score, sound, which)
        alone = learner.actor.embed(
            learner.actor.look(learner.bank, dynamics.view(learner.bank, states))
        )
    torch.testing.assert_close(shared, alone, atol=1e-4, rtol=1e-4)


def test_everything_is_learned():
    """On strips and sounds that grow alike, so that there is something to match."""
    learner = study(bank=ramp_bank(window=WINDOWS["nottingham"]), learning_rate=2e-3)
    figures = [learner.update() for _ in range(60)]

    def mean(name, some):
        return sum(float(f[name]) for f in some) / len(some)

    shares = {"policy_loss": 0.8, "localise_loss": 0.7, "read_loss": 0.2, "match_px": 0.7}
    for name, share in shares.items():
        assert mean(name, figures[-5:]) < share * mean(name, figures[:5]), name
    assert mean("agreement", figures[-5:]) > 0.75
    assert learner.frames == sum(f["frames"] for f in figures)


def test_it_goes_on_where_it_stopped():
    one, other = study(), study()
    for _ in range(3):
        one.update()
    other.load_state_dict(one.state_dict())
    first, second = one.update(), other.update()
    assert {k: float(v) for k, v in first.items()} == {k: float(v) for k, v in second.items()}
