"""The follower that may go on anywhere: real agent, real page, synthesised sound."""

from dataclasses import replace

import numpy as np
import pytest

from sfpipe.audio.spectrogram import spectrogram
from sfpipe.following.anywhere import AnywhereFollower, bars_on
from sfpipe.following.loaded import LoadedFollower
from sfpipe.following.registry import load_follower
from sfpipe.store.schema import FPS, SAMPLE_RATE
from tests.live.scores import perform


@pytest.fixture(scope="module")
def performed(tmp_path_factory, soundfont):
    return perform(tmp_path_factory.mktemp("anywhere"), soundfont)


@pytest.fixture(scope="module")
def follower():
    return load_follower("nottingham-belief")


@pytest.fixture(scope="module")
def jumping(performed):
    """Bars 1 to 6, then 2 to 5: the spectrogram, and where the music is in each frame."""
    sound = spectrogram((performed.samples * 32767).astype(np.int16), SAMPLE_RATE)
    first = int(performed.onset_s[0] * FPS)
    spans = [(0, 12), (2, 10)]  # s; a bar lasts two
    frames = np.concatenate([np.arange(first + a * FPS, first + b * FPS) for a, b in spans])
    return sound[:, frames], np.interp(frames / FPS, performed.onset_s, performed.onset_x)


def test_it_follows_a_jump_that_it_does_not_know_of(performed, follower, jumping):
    sound, target = jumping
    score = performed.page_set.score_record()
    jump = 12 * FPS
    anywhere = np.abs(follower.anywhere.trace(score, sound) - target)
    assert (anywhere[20:jump] < 50).mean() > 0.95
    assert (anywhere[jump + 3 * FPS :] < 50).all()
    in_order = np.abs(follower.trace(score, sound) - target)
    assert (in_order[jump + 3 * FPS :] > 50).all()


def test_frame_by_frame_is_as_all_at_once(performed, follower, jumping):
    sound, _ = jumping
    score = performed.page_set.score_record()
    for one in (follower, follower.anywhere):
        slow = replace(one, trace_all=None)
        np.testing.assert_allclose(slow.trace(score, sound), one.trace(score, sound), atol=1)
    assert slow.frames.certainty in ("following", "unsure")


def test_the_agents_with_a_memory_may_be_let_go_anywhere(follower):
    assert isinstance(follower.anywhere, LoadedFollower)
    assert isinstance(follower.anywhere.frames, AnywhereFollower)
    assert not isinstance(follower.frames, AnywhereFollower)
    assert load_follower("nottingham-ppo").anywhere is None


def test_bars_begin_where_lines_go_through_both_staves():
    strip = np.full((160, 900), 255, np.uint8)
    for top in (40, 96):
        strip[top : top + 29 : 7] = 0  # five lines, 7 px apart
    for x in (150, 420, 421, 700):
        strip[40:125, x] = 0
    strip[40:69, 300] = 0  # through one staff: a stem
    np.testing.assert_allclose(bars_on(strip), [0, 150, 420, 700], atol=1)
    assert len(bars_on(np.full((160, 900), 255, np.uint8))) == 0
