"""The trainer: exact resume, the stopping rule of Table 5, checkpoints, what is left at the end."""

import json
import os
import time
from dataclasses import asdict

import pytest
import torch

from sfpipe.agents.cached_policy import playing
from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.policy import Actor
from sfpipe.errors import SfpipeError
from sfpipe.game.play import play_games, share_of_onsets
from sfpipe.params import DaggerParams, PPOParams, Schedule, StudyParams
from sfpipe.store.window import WINDOWS
from sfpipe.training.checkpoint import fingerprint, load_checkpoint, save_checkpoint
from sfpipe.training.trainer import Trainer
from tests.toy import TinyNetwork, ramp_bank, stop_after, toy_bank

N_GAMES, T_MAX = 4, 5
TIMEOUT = 1200  # s, for machines that are busy with other things
UPDATE = N_GAMES * T_MAX  # frames


def schedule(**changes) -> Schedule:
    """Five updates of the warm start, six of the algorithm."""
    fields = {
        "warm_start": "dagger",
        "n_games": N_GAMES,
        "t_max": T_MAX,
        "learning_rate": 3e-3,
        "evaluate_every": 2,
        "max_frames": 6 * UPDATE,
        "ppo": PPOParams(epochs=2, batch=7),
        "dagger": DaggerParams(
            frames=5 * UPDATE,
            n_games=N_GAMES,
            t_max=T_MAX,
            mixture_frames=3 * UPDATE,
            batch=7,
            learning_rate=3e-3,
        ),
    }
    return Schedule(**fields | changes)


def trainer(algo: str = "a2c", plan: Schedule | None = None, seed: int = 3, **options) -> Trainer:
    bank = ramp_bank()
    return Trainer(
        TinyNetwork(seed), bank, bank, algo=algo, schedule=plan or schedule(), seed=seed, **options
    )


def outcome(done: Trainer) -> tuple[dict, dict]:
    """Weights and course, but for the time it took."""
    course = asdict(done.course)
    course.pop("seconds")
    for row in course["evaluations"]:
        row.pop("minutes")
    return done.network.state_dict(), course


def assert_same(a: Trainer, b: Trainer) -> None:
    (weights_a, course_a), (weights_b, course_b) = outcome(a), outcome(b)
    assert course_a == course_b
    for name, weight in weights_a.items():
        assert torch.equal(weight, weights_b[name]), name


@pytest.fixture(scope="module")
def uninterrupted() -> Trainer:
    done = trainer()
    done.run()
    assert done.course.updates == 11
    return done


@pytest.mark.parametrize("updates", [1, 3, 5, 8, 11])
def test_interrupted_and_resumed_equals_uninterrupted(uninterrupted, tmp_path, updates):
    """In the warm start, at the change of phase (5), in the second phase, at the end (11)."""
    file = tmp_path / "c.pt"
    stopped = trainer(checkpoint=file, should_stop=stop_after(updates))
    with pytest.raises(SfpipeError, match=f"interrupted after {updates * UPDATE:,} frames") as e:
        stopped.run()
    assert e.value.file == str(file)
    assert e.value.remedy == "run the same command again to go on"
    assert stopped.course.phase == (0 if updates < 5 else 1 if updates < 11 else 2)
    resumed = trainer(checkpoint=file)
    resumed.run()
    assert_same(resumed, uninterrupted)


def test_averaged_weights_are_judged_and_kept():
    plan = schedule(warm_start=None, average_frames=2 * UPDATE, evaluate_every=1)
    done = trainer("ppo", plan)
    present, judged, judge = [], [], done._evaluate

    def watch(figures):
        assert done.average is not None
        present.append(done.network.policy.weight.detach().clone())
        judged.append(done.average.network.policy.weight.detach().clone())
        judge(figures)

    done._evaluate = watch
    done.run()
    # Every step of the average is 1 - exp(-1/2) of the way to what training has then.
    for before, after, at in zip(judged, judged[1:], present[1:], strict=False):
        torch.testing.assert_close(after, before + 0.393469 * (at - before))
    rows = done.course.evaluations[: len(judged)]
    best = max(range(len(rows)), key=lambda i: (rows[i]["best_r_on"], -rows[i]["frames"]))
    assert any(torch.equal(done.network.policy.weight, weight) for weight in judged)
    assert not any(torch.equal(done.network.policy.weight, weight) for weight in present)
    bank, network = ramp_bank(), TinyNetwork(3)
    network.load_state_dict(done.best_weights)
    actor = Actor(network, torch.Generator().manual_seed(3 + 77))
    games = play_games(bank, playing(actor, bank), trials=1)
    assert share_of_onsets(games) == rows[best]["best_r_on"] == done.course.best


@pytest.mark.parametrize("average_frames", [0, 50])
@pytest.mark.parametrize("algo", ["reinforce", "ppo", "dagger"])
def test_every_algorithm_resumes_exactly(tmp_path, algo, average_frames):
    plan = schedule(warm_start=None, max_frames=150, average_frames=average_frames)
    whole = trainer(algo, plan)
    whole.run()
    file = tmp_path / "c.pt"
    for updates in (2, 1):  # twice, the second time from a resumed run
        with pytest.raises(SfpipeError, match="interrupted"):
            trainer(algo, plan, checkpoint=file, should_stop=stop_after(updates)).run()
    resumed = trainer(algo, plan, checkpoint=file)
    resumed.run()
    assert_same(resumed, whole)


def test_another_seed_is_another_training(uninterrupted):
    other = trainer(seed=4)
    other.run()
    assert other.course.evaluations != uninterrupted.course.evaluations


def test_checkpoints_are_saved_in_between(tmp_path):
    """A kill leaves the last one, from which a run goes on exactly."""
    file = tmp_path / "c.pt"
    seen = []

    def watch() -> bool:
        seen.append(load_checkpoint(file))
        return False

    whole = trainer(checkpoint=file, checkpoint_seconds=0, should_stop=watch)
    whole.run()
    frames = [None if c is None else c["course"]["frames"] for c in seen]
    assert frames == [None, *(UPDATE * n for n in range(1, 11))]
    save_checkpoint(file, seen[7])
    resumed = trainer(checkpoint=file)
    resumed.run()
    assert_same(resumed, whole)


def flat_plan(**changes) -> Schedule:
    """A learning rate so small that nothing ever changes: every evaluation is a tie."""
    fields = {
        "warm_start": None,
        "learning_rate": 1e-30,
        "evaluate_every": 1,
        "patience": 3,
        "refinements": 2,
        "max_frames": None,
    }
    return schedule(**fields | changes)


def watched(algo: str, plan: Schedule) -> tuple[Trainer, list[float], list[dict]]:
    """A finished training, with learning rate and weights after every update."""
    rates: list[float] = []
    weights: list[dict] = []

    def watch() -> bool:
        rates.append(made.learner.optimiser.param_groups[0]["lr"])
        weights.append({k: v.clone() for k, v in made.network.state_dict().items()})
        return False

    made = trainer(algo, plan, should_stop=watch)
    made.run()
    return made, rates, weights


def test_patience_refinement_and_stop():
    done, rates, _ = watched("a2c", flat_plan())
    # The first evaluation is the best; three ties are waited for, three times over.
    assert done.course.updates == 10
    expected = [1e-30] * 3 + [1e-31] * 3 + [1e-32] * 4
    assert rates == pytest.approx(expected, rel=1e-6)
    assert done.course.best_frames == UPDATE


@pytest.mark.parametrize(("refinements", "updates"), [(0, 4), (1, 7), (2, 10)])
def test_number_of_refinements(refinements, updates):
    done, _, _ = watched("a2c", flat_plan(refinements=refinements))
    assert done.course.updates == updates


def test_a_tie_is_no_improvement():
    done, _, _ = watched("a2c", flat_plan())
    scores = [row["validation_r_on"] for row in done.course.evaluations]
    assert len(set(scores)) == 1
    assert done.course.best == scores[0]


def test_of_equally_many_onsets_the_closer_is_better():
    imitation = DaggerParams(
        frames=60 * UPDATE, n_games=N_GAMES, t_max=T_MAX, batch=20, learning_rate=3e-3
    )
    plan = schedule(warm_start=None, evaluate_every=3, patience=99, dagger=imitation)
    done, _, weights = watched("dagger", plan)
    rows = done.course.evaluations
    keys = [(row["validation_r_on"], -row["validation_error_px"]) for row in rows]
    best = keys.index(max(keys))
    assert best > 0 and keys[best][0] == keys[0][0], "no tie: the test shows nothing"
    assert (done.course.best, -done.course.best_error) == keys[best]
    for name, weight in done.network.state_dict().items():
        assert torch.equal(weight, weights[3 * best + 2][name])


def test_refinement_goes_on_from_the_best_weights():
    plan = flat_plan(learning_rate=0.3, patience=2)
    done, rates, weights = watched("a2c", plan)
    scores = [
        (row["validation_r_on"], -row["validation_error_px"]) for row in done.course.evaluations
    ]
    best = scores.index(max(scores))
    drops = [i for i in range(1, len(rates)) if rates[i] < rates[i - 1]]
    assert len(drops) == 2
    for i in drops:
        so_far = scores[: i + 1].index(max(scores[: i + 1]))
        assert all(torch.equal(v, weights[so_far][k]) for k, v in weights[i].items())
    assert (done.course.best, -done.course.best_error) == scores[best]
    assert done.course.best_frames == UPDATE * (best + 1)


def test_the_best_weights_are_left_in_the_network():
    plan = schedule(
        warm_start=None, learning_rate=0.05, evaluate_every=1, max_frames=25 * UPDATE, patience=99
    )
    done, _, weights = watched("a2c", plan)
    scores = [row["validation_r_on"] for row in done.course.evaluations]
    best = scores.index(max(scores))
    assert best < 24, "the last is the best: the test shows nothing"
    left = done.network.state_dict()
    assert all(torch.equal(v, weights[best][k]) for k, v in left.items())
    assert not all(torch.equal(v, weights[-2][k]) for k, v in left.items())


def test_the_last_weights_are_left_in_it_where_that_is_asked_for():
    plan = schedule(
        warm_start=None,
        learning_rate=0.05,
        evaluate_every=1,
        max_frames=25 * UPDATE,
        patience=99,
        keep="last",
    )
    done, _, weights = watched("a2c", plan)
    scores = [row["validation_r_on"] for row in done.course.evaluations]
    assert scores.index(max(scores)) < 24, "the last is the best: the test shows nothing"
    left = done.network.state_dict()
    assert all(torch.equal(v, weights[24][k]) for k, v in left.items())
    assert done.course.best == scores[-1] and done.course.best_frames == 25 * UPDATE


def test_the_algorithm_must_beat_its_warm_start():
    plan = schedule(learning_rate=1e-30, evaluate_every=5, max_frames=10 * UPDATE)
    done, _, weights = watched("a2c", plan)
    assert done.course.best_frames == 5 * UPDATE
    assert all(torch.equal(v, weights[4][k]) for k, v in done.network.state_dict().items())


@pytest.mark.parametrize("trials", [1, 7])
def test_validation_plays_as_many_games_as_asked(trials):
    judged = trainer(plan=schedule(validation_trials=trials), judge_start=True)
    player = playing(Actor(TinyNetwork(3), torch.Generator().manual_seed(3 + 77)), ramp_bank())
    games = play_games(ramp_bank(), player, trials=trials)
    judged.run()
    assert judged.course.evaluations[0]["validation_r_on"] == share_of_onsets(games)


def test_last_weights_are_judged_too():
    plan = schedule(warm_start=None, evaluate_every=4, max_frames=6 * UPDATE)
    done, _, _ = watched("a2c", plan)
    assert [row["frames"] for row in done.course.evaluations] == [4 * UPDATE, 6 * UPDATE]


def test_minutes_end_the_training():
    plan = schedule(
        warm_start="dagger",
        max_frames=10**9,
        max_minutes=1 / 60,
        dagger=DaggerParams(frames=10**9, n_games=N_GAMES, t_max=T_MAX, batch=20),
    )
    started = time.monotonic()
    done = trainer("a2c", plan)
    done.run()
    assert 0.9 < time.monotonic() - started < 30
    assert done.course.phase == 2
    phases = {row["phase"] for row in done.course.evaluations}
    assert phases == {0, 1}


@pytest.mark.parametrize("algo", ["a2c", "ppo", "reinforce", "dagger"])
def test_divergence_is_said_in_one_line(algo):
    rate = 1e30
    plan = schedule(
        warm_start=None,
        learning_rate=rate,
        dagger=DaggerParams(n_games=N_GAMES, t_max=T_MAX, learning_rate=rate),
        max_frames=50 * UPDATE,
        evaluate_every=100,
    )
    with pytest.raises(SfpipeError, match=r"after [\d,]+ frames") as caught:
        trainer(algo, plan).run()
    assert caught.value.remedy.startswith("lower the learning rate")


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "foreign", "other network"])
def test_a_damaged_checkpoint_is_said_in_one_line(tmp_path, damage):
    file = tmp_path / "c.pt"
    with pytest.raises(SfpipeError, match="interrupted"):
        trainer(checkpoint=file, should_stop=stop_after(2)).run()
    content = file.read_bytes()
    if damage == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "garbage":
        file.write_bytes(os.urandom(3000))
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "foreign":
        torch.save({"x": 1}, file)
    else:
        saved = torch.load(file)
        saved["best_weights"].popitem()
        torch.save(saved, file)
    with pytest.raises(SfpipeError) as caught:
        trainer(checkpoint=file).run()
    line = str(caught.value)
    assert line.startswith(f"{file}: is n")
    assert line.endswith("-> delete it to start this training again")
    assert "\n" not in line


def test_fingerprints_tell_trainings_apart():
    a = {"seed": 1, "schedule": schedule().model_dump(), "data": {"scores.h5": "ab"}}
    assert fingerprint(a) == fingerprint(json.loads(json.dumps(a)))
    others = [a | {"seed": 2}, a | {"data": {"scores.h5": "ac"}}]
    others.append(a | {"schedule": schedule(gamma=0.8).model_dump()})
    assert len({fingerprint(x) for x in (a, *others)}) == 4


def test_study_keeps_its_share_where_a_later_phase_has_no_limit():
    plan = schedule(max_frames=None, max_minutes=10, study=StudyParams(frames=100, share=0.4))
    window = WINDOWS["nottingham"]
    bank = toy_bank(window)
    t = Trainer(ActorCritic(window), bank, bank, algo="ppo", schedule=plan, seed=1)
    assert t.phases == ["study", "dagger", "ppo"]
    assert [t._time(phase) for phase in range(3)] == [(0.0, 0.4), (0.4, 1.0), (0.4, 1.0)]


def test_a_refined_rate_stays_refined_while_it_decays(tmp_path):
    dagger = schedule().dagger.model_copy(update={"final_learning_rate": 3e-5})
    t = trainer("dagger", schedule(warm_start=None, dagger=dagger))

    def rate() -> float:
        return t.learner.optimiser.param_groups[0]["lr"]

    t.learner.steer(0.5)
    assert rate() == pytest.approx(3e-4)
    t.learner.refine(0.1)
    assert rate() == pytest.approx(3e-5)
    saved = t.learner.state_dict()
    t.learner.steer(1.0)
    assert rate() == pytest.approx(3e-6)
    t = trainer("dagger", schedule(warm_start=None, dagger=dagger))
    t.learner.load_state_dict(saved)
    t.learner.steer(1.0)
    assert rate() == pytest.approx(3e-6)
