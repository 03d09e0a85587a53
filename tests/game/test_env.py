import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import vector as wrappers

import sfpipe  # noqa: F401  # registers the environments
from sfpipe.errors import SfpipeError
from sfpipe.game.env import ScoreFollowingEnv
from sfpipe.store.bank import Bank
from sfpipe.store.writer import write_scores, write_spectrograms
from tests.toy import NOTTINGHAM, performance_record, score_record


@pytest.fixture(scope="module")
def bank() -> Bank:
    scores = {n: score_record(n, [20, 60, 90], width=300, seed=i) for i, n in enumerate("ab")}
    performances = [performance_record(n, [0.21, 1.0, 2.0], frames=60, seed=7) for n in "ab"]
    return Bank(scores, performances, NOTTINGHAM)


@pytest.fixture(scope="module")
def stores(bank, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    with write_scores(folder / "s.h5", dataset="toy", params={}, tools={}) as store:
        for i, n in enumerate("ab"):
            r = score_record(n, [20, 60, 90], width=300, seed=i)
            store.add(
                n,
                split="train",
                strip=r.strip,
                onset_x_px=r.onset_x_px,
                onset_y_px=r.onset_y_px,
                onset_quarter=r.onset_quarter,
                staff_space_px=3.5,
                px_per_cm=28.346,
            )
    with write_spectrograms(folder / "p.h5", dataset="toy", params={}, tools={}) as store:
        for n in "ab":
            r = performance_record(n, [0.21, 1.0, 2.0], frames=60, seed=7)
            store.add(
                n,
                "p",
                split="train",
                spectrogram=r.spectrogram,
                onset_s=r.onset_s,
                score_onset=r.score_onset,
            )
    return {"scores": folder / "s.h5", "spectrograms": folder / "p.h5"}


@pytest.mark.parametrize("actions", [(-1, 0, 1), "continuous"])
def test_gymnasium_accepts_it(stores, actions):
    env = gym.make("sfpipe/ScoreFollowing-v0", **stores, actions=actions)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped, skip_render_check=True)


def test_stable_baselines_accepts_it_and_learns_on_it(bank):
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_checker import check_env as sb3_check

    env = ScoreFollowingEnv(bank=bank)
    sb3_check(env)
    model = PPO("MultiInputPolicy", env, n_steps=64, batch_size=32, n_epochs=1, seed=0)
    before = [p.clone() for p in model.policy.parameters()]
    model.learn(256)
    assert any((a != b).any() for a, b in zip(before, model.policy.parameters(), strict=True))


@pytest.mark.parametrize("algo", ["PPO", "SAC"])
def test_stable_baselines_learns_with_continuous_actions(bank, algo):
    import stable_baselines3

    sizes = {"PPO": {"n_steps": 16, "n_epochs": 1}, "SAC": {"buffer_size": 50}}[algo]
    env = ScoreFollowingEnv(bank=bank, actions="continuous")
    if algo == "SAC":
        sizes["learning_starts"] = 8
    learner = getattr(stable_baselines3, algo)
    learner("MultiInputPolicy", env, batch_size=8, seed=0, **sizes).learn(16)


def test_rescaled_actions_reach_the_bounds(bank):
    env = ScoreFollowingEnv(bank=bank, actions="continuous")
    scaled = gym.wrappers.RescaleAction(env, np.float32(-2), np.float32(2))
    scaled.reset(options={"performance": 0})
    assert scaled.step(np.array([2], np.float32))[4]["speed_px"] == 1
    assert scaled.step(np.array([-1], np.float32))[4]["speed_px"] == 0.5
    for change in (1.01, -5.0):
        with pytest.raises(gym.error.InvalidAction, match="expected changes of speed from -1 to 1"):
            env.step(np.array([change]))


def test_first_state_and_first_step(bank):
    env = ScoreFollowingEnv(bank=bank)
    seen, info = env.reset(options={"performance": 0})
    assert info["frame"] == 4 and info["position_px"] == 20 and info["target_px"] == 20
    assert info["onset"] and info["piece"] == "a"
    assert not seen["score"][1].any() and not seen["spectrogram"][1].any()
    seen, reward, over, truncated, info = env.step(2)
    # Onsets at frames 4 and 20, 20 and 60 px: the target moves 2.5 px, the agent 1 px.
    assert info["frame"] == 5 and info["position_px"] == 21
    assert info["tracking_error_px"] == pytest.approx(-1.5)
    assert reward == pytest.approx((50 - 1.5) / 50)
    assert not over and not truncated and not info["onset"]
    assert seen["score"][1].any() and seen["spectrogram"][1].any()


def test_standing_still_loses_the_target(bank):
    env = ScoreFollowingEnv(bank=bank)
    env.reset(options={"performance": 0})
    over, steps = False, 0
    while not over:
        _, reward, over, _, info = env.step(1)
        steps += 1
    # 20 px + 2.5 px x 16 frames = 60, then 1.5 px a frame: 51 px behind after 24 frames.
    assert info["lost"] and reward == 0 and info["tracking_error_px"] < -50
    assert steps == 16 + 7


def test_same_seed_same_game(bank):
    env = ScoreFollowingEnv(bank=bank)
    a, info_a = env.reset(seed=3)
    b, info_b = env.reset(seed=3)
    assert info_a == info_b
    assert all(np.array_equal(a[k], b[k]) for k in a)


def test_a_seed_per_game_plays_what_single_environments_play(stores, bank):
    """Also the games that come after the first ones, and whatever seeds the others have."""
    seeds = [3, 1, 3, 8]
    vector = gym.make_vec("sfpipe/ScoreFollowing-v0", num_envs=4, **stores)
    _, info = vector.reset(seed=seeds)
    single = [ScoreFollowingEnv(bank=bank) for _ in seeds]
    first = [env.reset(seed=s)[1]["piece"] for env, s in zip(single, seeds, strict=True)]
    assert list(info["piece"]) == first
    later = 0
    for _ in range(80):
        _, _, over, _, info = vector.step(np.full(4, 2))
        for i in np.flatnonzero(over):
            later += 1
            assert info["piece"][i] == single[i].reset()[1]["piece"]
        assert info["piece"][0] == info["piece"][2], "equal seeds, equal games"
    assert later > 8
    with pytest.raises(SfpipeError, match="2 seeds for 4 games"):
        vector.reset(seed=[1, 2])


def test_vector_env_equals_single_envs(stores, bank):
    vector = gym.make_vec("sfpipe/ScoreFollowing-v0", num_envs=4, **stores)
    seen, info = vector.reset(seed=5)
    single = [ScoreFollowingEnv(bank=bank) for _ in range(4)]
    which = {"a": 0, "b": 1}
    for env, piece in zip(single, info["piece"], strict=True):
        env.reset(options={"performance": which[piece]})
    rng = np.random.default_rng(0)
    ended = 0
    for _ in range(60):
        actions = rng.integers(0, 3, 4)
        seen, reward, over, _, info = vector.step(actions)
        for i, env in enumerate(single):
            s, r, o, _, inf = env.step(actions[i])
            assert r == pytest.approx(reward[i]) and o == over[i]
            if o:
                ended += 1
                final = info["final_obs"][i]
                assert all(np.array_equal(final[k], s[k]) for k in s)
                assert info["final_info"]["tracking_error_px"][i] == inf["tracking_error_px"]
                assert info["final_info"]["lost"][i] == inf["lost"]
                s, _ = env.reset(options={"performance": which[info["piece"][i]]})
            assert all(np.array_equal(seen[k][i], s[k]) for k in s)
    assert ended > 0


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_every_autoreset_mode_does_what_gymnasiums_own_does(bank, mode):
    """Observations, rewards, ends and information of 200 steps, through some 30 games."""
    ours = gym.make_vec("sfpipe/ScoreFollowing-v0", 3, bank=bank, autoreset_mode=mode)
    assert ours.metadata["autoreset_mode"] is mode
    make = [lambda: ScoreFollowingEnv(bank=bank)] * 3
    theirs = SyncVectorEnv(make, autoreset_mode=mode)
    seeds: list[int | None] = [3, 1, 8]
    rng, ends = np.random.default_rng(0), 0
    both = ours.reset(seed=seeds), theirs.reset(seed=seeds)
    for _ in range(200):
        assert_same(*both)
        actions = rng.integers(0, 3, 3)
        both = ours.step(actions), theirs.step(actions)
        over = both[0][2]
        ends += int(over.sum())
        if mode is AutoresetMode.DISABLED and over.any():
            assert_same(*both)
            both = tuple(env.reset(options={"reset_mask": over}) for env in (ours, theirs))
    assert ends > 15


def assert_same(a, b) -> None:
    """Equal, but that Gymnasium tells information as objects or float64, and not of all games."""
    if isinstance(a, dict):
        for k in b:
            told = a.get(f"_{k}", True)
            if isinstance(told, np.ndarray):
                assert np.array_equal(told, b[f"_{k}"])
                for i in np.flatnonzero(told):
                    if not isinstance(b[k], dict):
                        assert_same(a[k][i], b[k][i])
            if isinstance(b[k], dict) or told is True:
                assert_same(a[k], b[k])
    elif isinstance(a, tuple):
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif np.asarray(a).dtype.kind == "f":
        np.testing.assert_allclose(a, b, rtol=1e-6)
    else:
        assert np.array_equal(a, b)


def test_modes_by_value_or_name(bank):
    for mode in ("NextStep", "NEXT_STEP", AutoresetMode.NEXT_STEP):
        env = gym.make_vec("sfpipe/ScoreFollowing-v0", 2, bank=bank, autoreset_mode=mode)
        assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    with pytest.raises(SfpipeError, match="unknown autoreset_mode 'Later' -> use one of NEXT_STEP"):
        gym.make_vec("sfpipe/ScoreFollowing-v0", 2, bank=bank, autoreset_mode="Later")


def test_games_that_ended_are_reset_before_the_next_step(bank):
    env = gym.make_vec("sfpipe/ScoreFollowing-v0", 2, bank=bank, autoreset_mode="Disabled")
    with pytest.raises(SfpipeError, match="give an array of 2 bools"):
        env.reset(options={"reset_mask": np.ones(3, bool)})
    env.reset(seed=[1, 2])
    while not env.step(np.array([1, 1]))[2].any():
        pass
    with pytest.raises(gym.error.ResetNeeded, match="have ended"):
        env.step(np.array([1, 1]))


@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
def test_gymnasiums_vector_wrappers(bank, mode):
    make = {"num_envs": 2, "bank": bank, "autoreset_mode": mode}
    env = gym.make_vec("sfpipe/ScoreFollowing-v0", actions="continuous", **make)
    env = wrappers.RescaleAction(env, np.float32(-1), np.float32(1))
    env = wrappers.FlattenObservation(wrappers.FilterObservation(env, ["spectrogram"]))
    env = wrappers.ClipReward(wrappers.RecordEpisodeStatistics(env), 0, 0.5)
    seen, _ = env.reset(seed=0)
    lengths, over = [], np.zeros(2, bool)
    for _ in range(60):
        if mode == "Disabled" and over.any():
            env.reset(options={"reset_mask": over})
        seen, reward, over, _, info = env.step(np.zeros((2, 1), np.float32))
        assert seen.shape == (2, 2 * 78 * 40) and (reward <= 0.5).all()
        lengths += [info["episode"]["l"][i] for i in np.flatnonzero(over)]
    assert set(lengths) == {23}, "as of a single environment whose follower stands still"


@pytest.mark.parametrize("action", [-1, 3, 0.5, np.nan, np.inf, 2**70, "up", None, [0, 1], []])
def test_an_action_that_is_none_is_named(bank, action):
    env = ScoreFollowingEnv(bank=bank)
    env.reset(seed=1)
    with pytest.raises(gym.error.InvalidAction, match="expected"):
        env.step(action)
    several = gym.make_vec("sfpipe/ScoreFollowing-v0", num_envs=2, bank=bank)
    several.reset(seed=1)
    with pytest.raises(gym.error.InvalidAction, match="expected"):
        several.step([1, action])


def test_no_step_after_the_end(bank):
    env = ScoreFollowingEnv(bank=bank)
    env.reset(seed=1)
    while not env.step(1)[2]:
        pass
    with pytest.raises(gym.error.ResetNeeded, match="has ended"):
        env.step(1)
    env.reset(seed=1)
    env.step(1)


def test_errors_say_what_to_do(stores):
    with pytest.raises(SfpipeError, match="no piece 'x'"):
        ScoreFollowingEnv(**stores, piece="x")
    with pytest.raises(SfpipeError, match="unknown window"):
        ScoreFollowingEnv(**stores, window="big")
    with pytest.raises(SfpipeError, match="needs both stores"):
        ScoreFollowingEnv()
    with pytest.raises(gym.error.InvalidAction, match="expected changes"):
        env = ScoreFollowingEnv(**stores, actions="continuous")
        env.reset()
        env.step(np.array([np.nan]))
    with pytest.raises(gym.error.ResetNeeded):
        ScoreFollowingEnv(**stores).step(0)
