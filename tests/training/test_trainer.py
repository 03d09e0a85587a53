"""The trainer: exact resume, the stopping rule of Table 5, checkpoints, what is left at the end."""

import os
import re
import time
from dataclasses import asdict

import pytest
import torch

from sfpipe.agents.cached_policy import playing
from sfpipe.agents.policy import Actor
from sfpipe.errors import SfpipeError
from sfpipe.game.play import play_games, share_of_onsets
from sfpipe.params import StoppingRule, TrainParams
from sfpipe.training.checkpoint import load_checkpoint, save_checkpoint
from sfpipe.training.learner import Learner
from sfpipe.training.stage import minute_shares, playing_phases
from sfpipe.training.trainer import Trainer
from tests.toy import TinyNetwork, ramp_bank, stop_after

N_GAMES, T_MAX = 4, 5
UPDATE = N_GAMES * T_MAX  # frames
PLAY = {"num_envs": N_GAMES, "learning_rate": 3e-3}
SECTIONS: dict = {
    "common": {"warm_start": "dagger", "evaluate_every": 2},
    "reinforce": PLAY,
    "a2c": PLAY | {"num_steps": T_MAX},
    "ppo": PLAY | {"num_steps": T_MAX, "update_epochs": 2, "minibatch_size": 7},
    "dagger": PLAY
    | {
        "num_steps": T_MAX,
        "max_frames": 5 * UPDATE,
        "beta_frames": 3 * UPDATE,
        "minibatch_size": 7,
        "warmup_steps": 0,
        "transcription_coef": 0.0,
    },
}


def plan(max_frames: int | None = 6 * UPDATE, play: dict | None = None, **sections) -> TrainParams:
    """Five updates of the warm start, six of the algorithm; `play` changes all that play."""
    played = {
        name: SECTIONS[name] | {"max_frames": max_frames} | (play or {})
        for name in ("reinforce", "a2c", "ppo")
    }
    given = SECTIONS | played
    return TrainParams(preset="paper", **given | {k: given[k] | v for k, v in sections.items()})


def cold(**common) -> dict:
    """Changes of `common`: no warm start, and these."""
    return {"warm_start": None} | common


def trainer(algo: str = "a2c", params: TrainParams | None = None, seed: int = 3, **options):
    bank, network, params = ramp_bank(), TinyNetwork(seed), params or plan()
    names = params.phases(algo)
    phases = playing_phases(names, network, bank, bank, params, seed=seed)
    return Trainer(phases, params.common, shares=minute_shares(names, params), **options)


def outcome(done: Trainer) -> tuple[dict, dict]:
    """Weights and state, but for the time it took."""
    state = asdict(done.state)
    state.pop("seconds")
    for row in state["evaluations"]:
        row.pop("minutes")
    return done.network.state_dict(), state


def assert_same(a: Trainer, b: Trainer) -> None:
    (weights_a, state_a), (weights_b, state_b) = outcome(a), outcome(b)
    assert state_a == state_b
    for name, weight in weights_a.items():
        assert torch.equal(weight, weights_b[name]), name


@pytest.fixture(scope="module")
def uninterrupted() -> Trainer:
    done = trainer()
    done.run()
    assert done.state.updates == 11
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
    assert stopped.state.phase == (0 if updates < 5 else 1 if updates < 11 else 2)
    resumed = trainer(checkpoint=file)
    resumed.run()
    assert_same(resumed, uninterrupted)


def test_averaged_weights_are_validated_and_kept():
    params = plan(common=cold(average_frames=2 * UPDATE, evaluate_every=1))
    done = trainer("ppo", params)
    present, judged, validate = [], [], done._validate

    def watch(figures):
        assert done.learner.average is not None
        present.append(done.network.policy.weight.detach().clone())
        judged.append(done.learner.average.network.policy.weight.detach().clone())
        validate(figures)

    done._validate = watch
    done.run()
    # Every step of the average is 1 - exp(-1/2) of the way to what training has then.
    for before, after, at in zip(judged, judged[1:], present[1:], strict=False):
        torch.testing.assert_close(after, before + 0.393469 * (at - before))
    rows = done.state.evaluations[: len(judged)]
    best = max(range(len(rows)), key=lambda i: (rows[i]["best_r_on"], -rows[i]["frames"]))
    assert any(torch.equal(done.network.policy.weight, weight) for weight in judged)
    assert not any(torch.equal(done.network.policy.weight, weight) for weight in present)
    bank, network = ramp_bank(), TinyNetwork(3)
    network.load_state_dict(done.best_weights)
    actor = Actor(network, torch.Generator().manual_seed(3 + 77))
    games = play_games(bank, playing(actor, bank), trials=1)
    assert share_of_onsets(games) == rows[best]["best_r_on"] == done.state.best["r_on"]


def test_another_seed_is_another_training(uninterrupted):
    other = trainer(seed=4)
    other.run()
    assert other.state.evaluations != uninterrupted.state.evaluations


def test_checkpoints_are_saved_in_between(tmp_path):
    """A kill leaves the last one, from which a run goes on exactly."""
    file = tmp_path / "c.pt"
    seen = []

    def watch() -> bool:
        seen.append(load_checkpoint(file))
        return False

    whole = trainer(checkpoint=file, checkpoint_seconds=0, should_stop=watch)
    whole.run()
    frames = [None if c is None else c["state"]["frames"] for c in seen]
    assert frames == [None, *(UPDATE * n for n in range(1, 11))]
    save_checkpoint(file, seen[7])
    resumed = trainer(checkpoint=file)
    resumed.run()
    assert_same(resumed, whole)


def flat_plan(rate: float = 1e-30, **common) -> TrainParams:
    """A learning rate so small that nothing ever changes: every validation is a tie."""
    rules = {"evaluate_every": 1, "patience": 3, "lr_reductions": 2}
    return plan(None, {"learning_rate": rate}, common=cold(**rules | common))


def watched(algo: str, params: TrainParams) -> tuple[Trainer, list[float], list[dict]]:
    """A finished training, with learning rate and weights after every update."""
    rates: list[float] = []
    weights: list[dict] = []

    def watch() -> bool:
        rates.append(made.learner.optimiser.param_groups[0]["lr"])
        weights.append({k: v.clone() for k, v in made.network.state_dict().items()})
        return False

    made = trainer(algo, params, should_stop=watch)
    made.run()
    return made, rates, weights


def test_patience_reduction_and_stop():
    done, rates, _ = watched("a2c", flat_plan())
    # The first evaluation is the best; three ties are waited for, three times over.
    assert done.state.updates == 10
    expected = [1e-30] * 3 + [1e-31] * 3 + [1e-32] * 4
    assert rates == pytest.approx(expected, rel=1e-6)
    assert done.state.best_frames == UPDATE


@pytest.mark.parametrize(("reductions", "updates"), [(0, 4), (1, 7), (2, 10)])
def test_number_of_reductions(reductions, updates):
    done, _, _ = watched("a2c", flat_plan(lr_reductions=reductions))
    assert done.state.updates == updates


def test_a_tie_is_no_improvement():
    done, _, _ = watched("a2c", flat_plan())
    scores = [row["validation_r_on"] for row in done.state.evaluations]
    assert len(set(scores)) == 1
    assert done.state.best["r_on"] == scores[0]


def test_of_equally_many_onsets_the_closer_is_better():
    imitation = {"max_frames": 60 * UPDATE, "beta_frames": 100_000, "minibatch_size": 20}
    mild = {"temperature": 4.0, "vf_coef": 0.5, "expected_cost_coef": 0.0, "random_start": 0.0}
    params = plan(
        common=cold(evaluate_every=3, patience=99),
        dagger=imitation | mild | {"final_learning_rate": 5e-5},
    )
    done, _, weights = watched("dagger", params)
    rows = done.state.evaluations
    keys = [(row["validation_r_on"], -row["validation_error_px"]) for row in rows]
    best = keys.index(max(keys))
    assert best > 0 and keys[best][0] == keys[0][0], "no tie: the test shows nothing"
    assert (done.state.best["r_on"], -done.state.best["error_px"]) == keys[best]
    for name, weight in done.network.state_dict().items():
        assert torch.equal(weight, weights[3 * best + 2][name])


def test_a_lower_rate_goes_on_from_the_best_weights():
    params = flat_plan(0.3, patience=2)
    done, rates, weights = watched("a2c", params)
    scores = [
        (row["validation_r_on"], -row["validation_error_px"]) for row in done.state.evaluations
    ]
    best = scores.index(max(scores))
    drops = [i for i in range(1, len(rates)) if rates[i] < rates[i - 1]]
    assert len(drops) == 2
    for i in drops:
        so_far = scores[: i + 1].index(max(scores[: i + 1]))
        assert all(torch.equal(v, weights[so_far][k]) for k, v in weights[i].items())
    assert (done.state.best["r_on"], -done.state.best["error_px"]) == scores[best]
    assert done.state.best_frames == UPDATE * (best + 1)


def test_the_best_weights_are_left_in_the_network():
    common = cold(evaluate_every=1, patience=99)
    params = plan(25 * UPDATE, {"learning_rate": 0.05}, common=common)
    done, _, weights = watched("a2c", params)
    scores = [row["validation_r_on"] for row in done.state.evaluations]
    best = scores.index(max(scores))
    assert best < 24, "the last is the best: the test shows nothing"
    left = done.network.state_dict()
    assert all(torch.equal(v, weights[best][k]) for k, v in left.items())
    assert not all(torch.equal(v, weights[-2][k]) for k, v in left.items())


def test_the_last_weights_are_left_in_it_where_that_is_asked_for():
    common = cold(evaluate_every=1, patience=99, keep="last")
    params = plan(25 * UPDATE, {"learning_rate": 0.05}, common=common)
    done, _, weights = watched("a2c", params)
    scores = [row["validation_r_on"] for row in done.state.evaluations]
    assert scores.index(max(scores)) < 24, "the last is the best: the test shows nothing"
    left = done.network.state_dict()
    assert all(torch.equal(v, weights[24][k]) for k, v in left.items())
    assert done.state.best["r_on"] == scores[-1] and done.state.best_frames == 25 * UPDATE


def test_the_algorithm_must_beat_its_warm_start():
    params = plan(10 * UPDATE, {"learning_rate": 1e-30}, common={"evaluate_every": 5})
    done, _, weights = watched("a2c", params)
    assert done.state.best_frames == 5 * UPDATE
    assert all(torch.equal(v, weights[4][k]) for k, v in done.network.state_dict().items())


@pytest.mark.parametrize("trials", [1, 7])
def test_validation_plays_as_many_games_as_asked(trials):
    judged = trainer(params=plan(common={"validation_trials": trials}), validate_first=True)
    player = playing(Actor(TinyNetwork(3), torch.Generator().manual_seed(3 + 77)), ramp_bank())
    games = play_games(ramp_bank(), player, trials=trials)
    judged.run()
    assert judged.state.evaluations[0]["validation_r_on"] == share_of_onsets(games)


def test_last_weights_are_judged_too():
    params = plan(common=cold(evaluate_every=4))
    done, _, _ = watched("a2c", params)
    assert [row["frames"] for row in done.state.evaluations] == [4 * UPDATE, 6 * UPDATE]


def test_minutes_end_the_training():
    params = plan(
        10**9, common={"max_minutes": 1 / 60}, dagger={"max_frames": 10**9, "minibatch_size": 20}
    )
    started = time.monotonic()
    done = trainer("a2c", params)
    done.run()
    assert 0.9 < time.monotonic() - started < 30
    assert done.state.phase == 2
    phases = {row["phase"] for row in done.state.evaluations}
    assert phases == {0, 1}


@pytest.mark.parametrize("algo", ["a2c", "ppo", "reinforce", "dagger"])
def test_divergence_is_said_in_one_line(algo):
    fast = {"learning_rate": 1e30}
    params = plan(
        50 * UPDATE,
        fast,
        common=cold(evaluate_every=100),
        dagger=fast | {"final_learning_rate": 1e30, "max_frames": 50 * UPDATE},
    )
    with pytest.raises(SfpipeError, match=r"after [\d,]+ frames") as caught:
        trainer(algo, params).run()
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
    assert line.endswith("-> move it away to start this training anew")
    assert "\n" not in line


def test_minutes_are_shared_where_a_later_phase_has_no_limit():
    params = TrainParams(
        preset="paper",
        common={"warm_start": "dagger"},
        pretraining={"max_frames": 100, "share_of_minutes": 0.4},
    )
    names = params.phases("ppo")
    assert names == ["pretraining", "dagger", "ppo"]
    assert minute_shares(names, params) == {"pretraining": 0.4, "dagger": 1.0, "ppo": 1.0}


def test_a_reduced_rate_stays_reduced_while_it_decays():
    params = plan(common=cold(), dagger={"final_learning_rate": 3e-5})
    t = trainer("dagger", params)

    def rate() -> float:
        return t.learner.optimiser.param_groups[0]["lr"]

    t.learner.set_progress(0.5)
    assert rate() == pytest.approx(3e-4)
    t.learner.refine(t.network.state_dict(), 0.1)
    assert rate() == pytest.approx(3e-5)
    saved = t.learner.state_dict()
    t.learner.set_progress(1.0)
    assert rate() == pytest.approx(3e-6)
    t = trainer("dagger", params)
    t.learner.load_state_dict(saved)
    t.learner.set_progress(1.0)
    assert rate() == pytest.approx(3e-6)


class Clocked(Learner):
    """Learns nothing; an update and a validation take as long as they are told to."""

    def __init__(self, clock: list[float], frames: int, seconds: float):
        super().__init__(
            torch.nn.Linear(1, 1),
            seed=0,
            device=torch.device("cpu"),
            learning_rate=(1.0, 1.0),
            max_grad_norm=1.0,
        )
        self.clock, self.seconds, self.max_frames = clock, seconds, frames
        self.evaluate_every = 25

    def learn(self):
        self.clock[0] += self.seconds
        return {"frames": 50, "policy_loss": 0.0}

    def validate(self):
        self.clock[0] += 20 * self.seconds
        return {"r_on": 0.5, "error_px": 1.0}

    def better(self, figures, best):
        return True


@pytest.mark.parametrize("resumed", [False, True])
def test_rate_and_time_left_are_those_of_the_phase(monkeypatch, capsys, tmp_path, resumed):
    """Frames of the second phase take twenty times as long; so does its validation."""
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    times: dict[tuple[int, int], float] = {}

    def phases():
        network = torch.nn.Linear(1, 1)
        made = {"pretraining": (20_000, 0.1), "dagger": (20_000, 2.0)}
        return {
            name: lambda size=size: shared(Clocked(clock, *size), network)
            for name, size in made.items()
        }

    def shared(learner, network):
        learner.network = network
        return learner

    def watch() -> bool:
        times[done.state.phase, done.state.phase_frames] = clock[0]
        return False

    rule = StoppingRule(lr_reductions=0)
    file = tmp_path / "c.pt"
    if resumed:
        stop = stop_after(500)  # a quarter of the second phase is done
        done = Trainer(phases(), rule, checkpoint=file, should_stop=stop)
        with pytest.raises(SfpipeError, match="interrupted"):
            done.run()
        clock[0] += 5000
        capsys.readouterr()
    done = Trainer(phases(), rule, checkpoint=file, should_stop=watch)
    done.run()
    lines = capsys.readouterr().err
    for phase, name in enumerate(done.names[resumed:], start=resumed):
        shown = re.findall(rf"{name}: (\d+)/20000 frames, ([\d,.]+) \S+, ETA (\d+):(\d+)", lines)
        frames, rate, minutes, seconds = min(shown, key=lambda s: abs(int(s[0]) - 10_000))
        left = times[phase + 1, 0] - times[phase, int(frames)]
        assert 8_000 < int(frames) < 12_000
        assert 60 * int(minutes) + int(seconds) == pytest.approx(left, rel=1 / 3)
        assert float(rate.replace(",", "")) == pytest.approx(
            (20_000 - int(frames)) / left, rel=1 / 3
        )
