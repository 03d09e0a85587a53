import numpy as np
import pytest

from sfpipe.errors import SfpipeError
from sfpipe.game.play import play_games
from sfpipe.game.players import Expert
from sfpipe.game.render import TARGET, Saliency
from sfpipe.store.bank import Bank
from sfpipe.store.window import WINDOWS
from sfpipe.viewing.explain import saliency
from sfpipe.viewing.frames import Frames
from sfpipe.viewing.game_trace import observations, trace_game
from sfpipe.viewing.play_session import PlaySession
from sfpipe.viewing.select_performance import Selection
from sfpipe.viewing.shown_game import play_selected
from sfpipe.viewing.watch import watch
from tests.viewing.conftest import ONSET_S, PERFORMANCE, PIECE, STRIP_X
from tests.viewing.films import onsets, pictures, sound


def target_px(picture, one, frame):
    """The target's strip column, read from the picture."""
    score = picture[30:250:8].astype(int)
    near = (np.abs(score - TARGET) < 45).all(axis=2).mean(axis=0) > 0.8
    columns = np.flatnonzero(near)
    position = one.trace.position_px[one.trace.at(frame)]
    return position + (columns.mean() + 0.5 - 640) / 6 if len(columns) else None


def test_the_target_passes_each_note_head_when_it_sounds(project, shown, params, paths):
    """Within one frame, in the film as it is on disk: its sound against its pictures."""
    name = "constant-speed"
    path = watch(params, paths, name, Selection())
    assert str(path) == "watch/clicks-plain-constant-speed.mp4"
    one, film = play_selected(shown, name, params, paths), pictures(path)
    heard = onsets(sound(path))
    np.testing.assert_allclose(heard, ONSET_S, atol=0.005)
    places = [target_px(picture, one, i) for i, picture in enumerate(film)]
    checked = 0
    for x, at in zip(STRIP_X[1:], heard[1:], strict=True):
        passing = [i for i, p in enumerate(places) if p is not None and p >= x - 0.4]
        if passing and places[passing[0] - 1] is not None:
            checked += 1
            assert abs(passing[0] / 20 - at) <= 1 / 20, (x, at, passing[0])
    assert checked >= 12


def test_pictures_of_one_size_from_the_first_sound_to_the_end(shown, params, paths):
    one = play_selected(shown, "models/agent", params, paths)
    frames = Frames(shown, one.bank.window, one.trace)
    assert len({picture.shape for picture in frames}) == 1
    assert len(frames) == one.trace.start_frame + len(one.trace) + 40
    # Before the first onset nothing moves but the sound; the same after the end.
    still = [frames.draw(i)[20:260] for i in (0, one.trace.start_frame)]
    assert (still[0] == still[1]).all()
    after = [frames.draw(len(frames) - i)[20:260] for i in (1, 30)]
    assert (after[0] == after[1]).all()
    assert (frames.draw(3) != frames.draw(4)).any()


def test_a_simulated_condition_is_called_so(shown, params, paths):
    """In films and where a person plays, before the title, which may be too long to be seen."""
    one = play_selected(shown, "optimal", params, paths)
    plain = Frames(shown, one.bank.window, one.trace).draw(0)
    assert shown.title == "Clicks & <Ticks>"
    object.__setattr__(shown.performance, "condition", "room")
    object.__setattr__(shown.performance, "simulated", True)
    object.__setattr__(shown.score, "title", "A very long title " * 9)
    assert shown.title.startswith("room (simulated) · A very long title")
    named = Frames(shown, one.bank.window, one.trace).draw(0)
    ink = (named != plain).any(axis=2)
    assert ink.any() and ink[260:, :400].sum() == ink.sum()
    played = PlaySession(shown, one.bank)
    without = played.picture()
    object.__setattr__(shown.performance, "simulated", False)
    assert (played.picture() != without).any()


def test_everything_known_is_shown(shown, params, paths):
    one = play_selected(shown, "models/agent", params, paths)
    frames = Frames(shown, one.bank.window, one.trace)
    bars = frames.draw(20)[-168:, 840:]
    shares = one.trace.probabilities[one.trace.at(20)]
    filled = [(np.abs(bars[14 + 26 + 36 * i].astype(int) - (31, 95, 168)) < 8) for i in range(3)]
    widths = np.array([row.all(axis=1).sum() for row in filled])
    np.testing.assert_allclose(widths / widths.sum(), shares, atol=0.02)
    player = play_selected(shown, "optimal", params, paths)
    empty = Frames(shown, player.bank.window, player.trace).draw(20)[-168:, 840:]
    assert (empty == (246, 246, 244)).all()


def test_saliency_lies_where_it_was_found(shown, params, paths):
    one = play_selected(shown, "optimal", params, paths)
    score, sound_ = np.zeros((40, 150)), np.zeros((78, 40))
    score[:, 100:110] = 1
    heat = {k: Saliency(score, sound_) for k in range(len(one.trace))}
    plain = Frames(shown, one.bank.window, one.trace).draw(30)[20:260].astype(int)
    warm = Frames(shown, one.bank.window, one.trace, heat).draw(30)[20:260].astype(int)
    changed = np.flatnonzero((np.abs(plain - warm) > 30).any(axis=(0, 2)))
    # Columns 100 to 110 of a window of 150 px, six times enlarged, in the picture's middle.
    assert changed.min() == pytest.approx(640 + (100 - 75) * 6, abs=4)
    assert changed.max() == pytest.approx(640 + (110 - 75) * 6, abs=4)


def test_explained(shown, params, paths):
    pytest.importorskip("captum", reason="explanations need the extra 'inspect'")
    one = play_selected(shown, "models/agent", params, paths)
    found = saliency(one)
    assert len(found) == len(one.trace)
    assert found[3].score.shape == (40, 150) and found[3].spectrogram.shape == (78, 40)
    every = np.stack([s.score for s in found])
    assert every.max() == 1 or every.min() == -1
    # Paper is what nothing is compared with: it speaks for nothing.
    seen = next(observations(one.game, one.bank, 0, 9999))
    ink, moved = seen.score[:, 0].numpy(), seen.score[:, 1].numpy()
    assert (every[(ink == 0) & (moved == 0)] == 0).all() and (every[ink > 0.9] != 0).any()


def test_only_networks_can_be_explained(project, params, paths):
    with pytest.raises(SfpipeError, match="only an agent's network can be explained, not optimal"):
        watch(params, paths, "optimal", Selection(), explain=True)


def test_half_size_window(project, paths):
    from sfpipe.viewing.select_performance import SelectedPerformance
    from tests.toy import performance_record, score_record

    shown = SelectedPerformance(
        score_record("a", [300, 400, 520], width=900, height=200),
        performance_record("a", [0.2, 1.0, 2.0], frames=60),
        paths.spectrograms,
    )
    bank = Bank({"a": shown.score}, [shown.performance], WINDOWS["msmd"])
    trace = trace_game(play_games(bank, Expert(bank))[0], "optimal")
    assert Frames(shown, bank.window, trace).draw(5).shape == (544, 1280, 3)


def test_without_sound_the_film_is_silent(project, params, paths, capsys):
    (paths.audio / PIECE / f"{PERFORMANCE}.flac").unlink()
    out = watch(params, paths, "models/agent", Selection(), out=project / "x.mp4")
    assert out == project / "x.mp4" and out.is_file()
    assert "the film is silent" in capsys.readouterr().err
