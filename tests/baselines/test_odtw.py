"""MIDI-ODTW on real sound: exact where the performance is the score, close where it is not."""

import time
from dataclasses import replace

import numpy as np
import pytest

from sfpipe.baselines.odtw import OdtwChoice, OdtwFollower
from sfpipe.baselines.score_sound import from_midi, from_performance, score_sound
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.metrics import onset_tracking_ratio, tracking_error
from sfpipe.game.follower import follow
from sfpipe.params import OdtwParams
from tests.baselines.conftest import ONSETS
from tests.toy import NOTTINGHAM


@pytest.fixture
def follower(score, plain):
    return OdtwFollower(lambda asked: from_performance(score, plain))


def test_the_score_itself_is_followed_without_error(follower, score, plain):
    game = follow(follower, score, plain, NOTTINGHAM)
    assert not game.lost
    np.testing.assert_allclose(game.error_px, 0, atol=1e-4)


@pytest.mark.parametrize(("tempo", "error_px"), [(0.6, 4), (0.8, 4), (1.25, 8), (1.6, 8)])
def test_other_tempi(follower, score, perform, soundfont, tempo, error_px):
    """A faster performance is followed a little behind; notes are 14 px or more apart."""
    game = follow(follower, score, perform(soundfont, tempo), NOTTINGHAM)
    assert onset_tracking_ratio([game]) == 1
    assert tracking_error([game])[0] < error_px


def test_of_several_sounds_the_one_that_fits_is_followed(score, plain, perform, soundfont):
    """However they are ordered, no worse than with the sound of the performance's own tempo."""
    played = perform(soundfont, 1.6)
    near, slow = (
        from_performance(score, plain),
        from_performance(score, perform(soundfont, 0.4)),
    )
    exact, plainly = from_performance(score, played), OdtwParams(adaptive=False)
    alone = follow(OdtwFollower(lambda _: slow, plainly), score, played, NOTTINGHAM)
    assert alone.lost or tracking_error([alone])[0] > 20
    for sounds in ((slow, near, exact), (exact, slow)):
        choice = OdtwChoice(lambda _, sounds=sounds: sounds, plainly)
        game = follow(choice, score, played, NOTTINGHAM)
        assert not game.lost
        assert tracking_error([game])[0] < 2


def test_a_choice_of_one_is_that_one(follower, score, perform, soundfont):
    played = perform(soundfont, 1.25)
    only = OdtwChoice(lambda asked: [follower.sound_of(asked)])
    games = [follow(each, score, played, NOTTINGHAM) for each in (follower, only)]
    np.testing.assert_array_equal(games[0].position_px, games[1].position_px)


@pytest.mark.parametrize("several", [False, True])
def test_a_score_that_is_played_again_is_not_made_to_sound_again(score, plain, perform, several):
    asked = []

    def sound(record):
        asked.append(record)
        return from_performance(score, plain)

    follower = OdtwChoice(lambda record: [sound(record)]) if several else OdtwFollower(sound)
    games = [follow(follower, score, plain, NOTTINGHAM) for _ in range(2)]
    np.testing.assert_array_equal(games[0].position_px, games[1].position_px)
    assert asked == [score]
    follow(follower, replace(score, title="another"), plain, NOTTINGHAM)
    assert len(asked) == 2


def test_a_choice_needs_something_to_choose(score):
    choice = OdtwChoice(lambda _: [])
    with pytest.raises(SfpipeError, match="no sound to be compared"):
        choice.reset(score)
    with pytest.raises(SfpipeError, match="no score to follow"):
        choice.step(np.zeros(78, np.float32))


def test_another_piano_at_another_tempo(follower, score, perform, large_soundfont):
    game = follow(follower, score, perform(large_soundfont, 1.1), NOTTINGHAM)
    assert onset_tracking_ratio([game]) == 1
    assert tracking_error([game])[0] < 8


def test_a_tempo_of_its_own_makes_up_for_a_slow_score(score, perform, soundfont):
    """The performance is four times as fast; plain time warping loses it."""
    slow = from_performance(score, perform(soundfont, 0.4))
    game = follow(OdtwFollower(lambda _: slow), score, perform(soundfont, 1.6), NOTTINGHAM)
    assert not game.lost and tracking_error([game])[0] < 10


def test_onsets_are_what_makes_another_piano_close(score, plain, perform, large_soundfont):
    played = perform(large_soundfont, 1.1)
    errors = []
    for weight in (0.0, 1.0):
        follower = OdtwFollower(
            lambda asked: from_performance(score, plain),
            OdtwParams(onset_weight=weight, adaptive=False),
        )
        errors.append(tracking_error([follow(follower, score, played, NOTTINGHAM)])[0])
    assert errors[1] < errors[0]


@pytest.mark.parametrize(("gain", "noise"), [(0.1, 0.0), (1.0, 0.03)])
def test_adaptive_features_are_closer_where_it_is_soft_or_noisy(
    score, plain, perform, large_soundfont, gain, noise
):
    played = perform(large_soundfont, 1.1)
    magnitude = gain * (10.0**played.spectrogram - 1)
    magnitude += np.random.default_rng(0).rayleigh(noise, magnitude.shape)
    heard = replace(played, spectrogram=np.log10(1 + magnitude).astype(np.float32))
    errors = []
    for adaptive in (False, True):
        follower = OdtwFollower(
            lambda asked: from_performance(score, plain), OdtwParams(adaptive=adaptive)
        )
        game = follow(follower, score, heard, NOTTINGHAM)
        assert not game.lost
        errors.append(tracking_error([game])[0])
    assert errors[1] < errors[0]


def test_midi_and_store_give_the_same_sound(melody, score, plain, soundfont):
    made = from_midi(melody / "score.mid", ONSETS, score.onset_x_px, soundfont)
    stored = from_performance(score, plain)
    np.testing.assert_array_equal(made.spectrogram, stored.spectrogram)
    np.testing.assert_array_equal(made.onset_frames, stored.onset_frames)
    np.testing.assert_array_equal(made.onset_x_px, stored.onset_x_px)


def test_deaf_to_what_sounds_before_but_for_the_frame_of_the_first_onset(follower, score, plain):
    frames = plain.spectrogram.T
    said = []
    for noise in (0.0, 1.0):
        follower.reset(score)
        follower.prime(np.full(78, noise, np.float32))
        for frame in frames[:7]:
            follower.prime(frame)
        said.append([follower.step(frame) for frame in frames[7:60]])
    assert said[0] == said[1]


def test_without_anything_heard_the_first_step_is_the_first_onset(follower, score, plain):
    follower.reset(score)
    first = int(ONSETS[0] * 20)
    assert follower.step(plain.spectrogram[:, first]) == pytest.approx(score.onset_x_px[0])


def test_misuse_is_said(score, plain):
    follower = OdtwFollower(lambda asked: from_performance(score, plain))
    with pytest.raises(SfpipeError, match="no score to follow"):
        follower.step(np.zeros(78, np.float32))
    follower.reset(score)
    with pytest.raises(SfpipeError, match="a frame has 78 bins"):
        follower.prime(np.zeros(77, np.float32))


def test_onsets_of_a_score_are_merged_and_cut_as_in_the_game():
    silence = np.zeros((78, 20), np.float32)
    made = score_sound(silence, [0.15, 0.16, 0.5, 2.0], [10, 20, 30, 40])
    assert made.onset_frames.tolist() == [3, 10]
    assert made.onset_x_px.tolist() == [10, 30]
    assert made.x_at(6.5) == 20 and made.x_at(0) == 10 and made.x_at(99) == 30
    with pytest.raises(SfpipeError, match="one x per onset"):
        score_sound(silence, [0.1, 0.2], [10])
    with pytest.raises(SfpipeError, match="no onset within"):
        score_sound(silence, [2.0], [10])


def test_twenty_times_faster_than_the_music(follower, score, plain):
    follower.reset(score)
    frames = np.ascontiguousarray(np.tile(plain.spectrogram, 3).T)
    for frame in frames[:20]:
        follower.step(frame)
    began = time.process_time()
    for frame in frames:
        follower.step(frame)
    assert len(frames) / 20 > 20 * (time.process_time() - began)
