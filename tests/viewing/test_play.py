"""Playing oneself, with SDL's own virtual screen and keys."""

import threading
import time

import numpy as np
import pytest

from sfpipe.game.play import play_games
from sfpipe.game.players import Expert
from sfpipe.game.render import TARGET
from sfpipe.store.window import WINDOWS
from sfpipe.viewing.play import Result, play
from sfpipe.viewing.play_session import PlaySession
from sfpipe.viewing.select_performance import Selection
from sfpipe.viewing.shown_game import set_of_one
from tests.viewing.conftest import ONSET_S

pygame = pytest.importorskip("pygame", reason="windows need the extra 'play'")


@pytest.fixture
def session(shown):
    return PlaySession(shown, set_of_one(shown, WINDOWS["nottingham"]).bank)


@pytest.fixture
def virtual(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")


def test_the_sound_drives_the_game(session):
    assert session.until(0.3) == 0 and session.frame == 6  # the first onset's frame
    assert session.until(1.0) == 14 and session.frame == 20
    assert session.until(1.0) == 0


def test_presses_change_the_speed_one_frame_each(session):
    for _ in range(3):
        session.press(1)
    session.press(-1)
    speeds = []
    for frame in range(7, 11):
        session.until(frame / 20 + 1e-6)
        speeds.append(session.game.speed)
    assert speeds == [1, 2, 2, 2]
    for _ in range(99):
        session.press(-1)
    assert session.waiting == -8


def test_the_optimal_actions_score_as_the_optimal_player(shown, session):
    bank = set_of_one(shown, WINDOWS["nottingham"]).bank
    planner = Expert(bank)
    while not session.over:
        change = float(planner.act(session.game.state(), None)[0])
        if change:
            session.press(int(change))
        session.until((session.frame + 1) / 20 + 1e-6)
    game = play_games(bank, planner)[0]
    assert session.score == pytest.approx(game.reward_sum, abs=1e-3)
    assert not session.lost


def targets(picture):
    return (np.abs(picture[30:250].astype(int) - TARGET) < 45).all(axis=2).mean(axis=0) > 0.8


def test_the_target_is_hidden_unless_wanted_or_lost(session):
    session.until(1.0)
    hidden = session.picture()
    assert not targets(hidden).any()
    session.target_shown = True
    shown = session.picture()
    assert targets(shown).any() and shown.shape == hidden.shape
    session.target_shown = False
    while not session.over:
        session.until((session.frame + 1) / 20 + 1e-6)
    assert session.lost and targets(session.picture()).any()


def press(keys, pictures=None):
    """Post keys (name, pause before it in s) from another thread, as a person would."""

    def post():
        for name, pause in keys:
            time.sleep(pause)
            if pictures is not None and pygame.display.get_surface():
                pictures.append(pygame.surfarray.array3d(pygame.display.get_surface()))
            key = pygame.key.key_code(name)
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))

    thread = threading.Thread(target=post, daemon=True)
    thread.start()
    return thread


def wait_for_window():
    while not (pygame.display.get_init() and pygame.display.get_surface()):
        time.sleep(0.01)


def test_a_game_from_the_first_key_to_the_result(virtual, params, paths):
    pictures: list[np.ndarray] = []

    def person():
        wait_for_window()
        press([("right", 0.1), ("w", 0.1), ("left", 0.1), ("t", 1.5), ("q", 2.6)], pictures).join()

    thread = threading.Thread(target=person, daemon=True)
    thread.start()
    result = play(params, paths, "models/agent", Selection(), count_in_s=0.1)
    thread.join()
    assert set(result.others) == {"agent", "optimal"}
    assert result.others["optimal"] > 0.9 * 20 * (ONSET_S[-1] - ONSET_S[0])
    assert 5 < result.score < result.others["optimal"] and not result.finished
    assert not pygame.display.get_init()
    # It was seen to move, and the result to be shown at the end.
    assert len(pictures) == 5 and (pictures[1] != pictures[3]).any()
    assert (pictures[4][:, -100:] != pictures[3][:, -100:]).mean() > 0.01


def test_pausing_stops_the_game_and_closing_ends_it(virtual, params, paths):
    began = time.perf_counter()

    def person():
        wait_for_window()
        press([("space", 0.5), ("right", 0.1)]).join()
        time.sleep(2.0)
        pygame.event.post(pygame.event.Event(pygame.QUIT))

    threading.Thread(target=person, daemon=True).start()
    result = play(params, paths, None, Selection(), count_in_s=0.0)
    assert time.perf_counter() - began > 2.5
    assert list(result.others) == ["optimal"]
    # Without the pause the music would have been lost or gone on for two seconds.
    assert not result.lost and result.score < 20


def test_without_loudspeaker_one_plays_in_silence(virtual, monkeypatch, params, paths, capsys):
    monkeypatch.setenv("SDL_AUDIODRIVER", "nonsense")

    def person():
        wait_for_window()
        press([("q", 0.3)]).join()

    threading.Thread(target=person, daemon=True).start()
    play(params, paths, None, Selection(), count_in_s=0.0)
    assert "no audio device" in capsys.readouterr().err


def test_result_as_text():
    text = Result(12.34, True, False, {"optimal": 99.0}).text()
    assert text == "you      12.3 (target lost)\noptimal  99.0"
    assert "given up" in Result(1, False, False, {}).text()
    assert "finished" in Result(1, False, True, {}).text()
