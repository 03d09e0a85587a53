"""Pictures in windows and in Gymnasium's own recordings."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.game.env import ScoreFollowingEnv
from sfpipe.game.screen import Screen
from sfpipe.store.bank import Bank
from tests.toy import NOTTINGHAM, performance_record, score_record


@pytest.fixture
def bank() -> Bank:
    record = performance_record("a", [0.21, 1.0, 1.5], frames=60)
    return Bank({"a": score_record("a", [20, 60, 90], width=300)}, [record], NOTTINGHAM)


def test_human_mode_shows_every_state(bank, monkeypatch):
    pygame = pytest.importorskip("pygame", reason="windows need the extra 'play'")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = ScoreFollowingEnv(bank=bank, render_mode="human")
    other = ScoreFollowingEnv(bank=bank, render_mode="rgb_array")
    for one in (env, other):
        one.reset(seed=0)
    for _ in range(3):
        shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
        assert (shown == other.render()).all()
        env.step(1)
        other.step(1)
    assert env.render() is None
    env.close()
    assert not pygame.display.get_init()
    env.close()  # twice does no harm


def test_gymnasium_accepts_the_modes(bank, monkeypatch):
    pytest.importorskip("pygame", reason="windows need the extra 'play'")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    from gymnasium.utils.env_checker import check_env

    env = ScoreFollowingEnv(bank=bank, render_mode="rgb_array")
    env.spec = gym.spec("sfpipe/ScoreFollowing-v0")
    env.spec.kwargs["bank"] = bank
    check_env(env)


def test_record_video(bank, tmp_path):
    pytest.importorskip("moviepy", reason="Gymnasium records videos with moviepy")
    env = gym.wrappers.RecordVideo(
        ScoreFollowingEnv(bank=bank, render_mode="rgb_array"), str(tmp_path), disable_logger=True
    )
    env.reset(seed=0)
    n, over = 1, False
    while not over:
        _, _, over, _, _ = env.step(1)
        n += 1
    env.close()
    (film,) = tmp_path.glob("*.mp4")
    import imageio_ffmpeg

    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(film))
    assert frames == n and seconds == pytest.approx(n / 20, abs=0.06)


def test_without_display(monkeypatch):
    pytest.importorskip("pygame", reason="windows need the extra 'play'")
    monkeypatch.setenv("SDL_VIDEODRIVER", "nonsense")
    with pytest.raises(SfpipeError, match=r"there is no display .* -> write a film with `sfpipe w"):
        Screen("x").show(np.zeros((32, 32, 3), np.uint8))


def test_without_pygame():
    code = (
        "import sys; sys.modules['pygame'] = None\n"
        "from sfpipe.game.screen import Screen\n"
        "try: Screen('x')\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "a window needs pygame, which is not installed -> pip install 'sfpipe[play]'\n"
    )
