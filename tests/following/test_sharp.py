"""Positions at onsets: read at note heads, and nothing is told ahead."""

import numpy as np
import pytest

from sfpipe.following.belief import BeliefFollower
from sfpipe.following.sharp import (
    LATER,
    REACH_S,
    OnsetMeter,
    SharpFollower,
    heads_on,
    sharp_position,
)
from sfpipe.game.follower import follow
from sfpipe.store.schema import BINS, FPS
from sfpipe.store.window import WINDOWS
from tests.following.test_belief import PARAMS, network, pieces


class Believed:
    """A belief that moves steadily: `expected` as of `BeliefGame`."""

    def __init__(self, x_px: float, px_per_frame: float):
        self.x_px, self.px_per_frame = x_px, px_per_frame

    def expected(self, frames: float) -> float:
        return self.x_px + frames * self.px_per_frame


def test_a_quarter_of_a_frame_after_the_begin_of_the_newest_one():
    assert sharp_position(Believed(100.0, 4.0), np.zeros(0), struck=True) == 101.0
    assert sharp_position(Believed(100.0, 4.0), np.array([103.0]), struck=False) == 101.0


@pytest.mark.parametrize(("head", "x"), [(103.0, 103.0), (95.0, 95.0), (118.0, 101.0)])
def test_a_struck_note_is_at_its_head_unless_that_is_too_far(head, x):
    assert REACH_S * FPS * 4.0 == 16.0  # px that are 0.2 s here
    assert sharp_position(Believed(100.0, 4.0), np.array([head]), struck=True) == x


def test_of_two_heads_the_nearer_one():
    heads = np.array([90.0, 98.0, 105.0, 120.0])
    assert sharp_position(Believed(100.0, 4.0), heads, struck=True) == 98.0
    assert sharp_position(Believed(100.9, 4.0), heads, struck=True) == 105.0


def test_a_chord_after_a_held_one_is_struck_and_its_decay_is_not():
    meter, chord = OnsetMeter(), np.linspace(1, 0, BINS, dtype=np.float32)
    levels = [0.0] * 5 + [1.0 * 0.9**n for n in range(20)]
    first = [meter.push(chord * level) for level in levels]
    assert first == [n == 5 for n in range(25)]
    assert meter.push(chord * levels[-1] + chord[::-1])


def test_paper_has_no_heads():
    assert len(heads_on(np.full((200, 600), 255, np.uint8))) == 0


def test_where_no_head_is_read_it_tells_the_belief_of_the_newest_frame():
    window = WINDOWS["msmd"]
    scores, performances = pieces(window)
    follower = BeliefFollower(network(window), PARAMS)
    for record in performances:
        score = scores[record.piece]
        played = follow(SharpFollower(follower), score, record, window)
        follower.reset(score)
        game = follower.new_game(float(score.onset_x_px[0]))
        game.step(None)
        first, last = played.onset_frames[0], played.onset_frames[-1]
        expected = []
        for n in range(last + 1):
            vector = follower.encode(np.ascontiguousarray(record.spectrogram[:, n]))
            if n > first:
                game.step(vector)
                expected.append(game.expected(LATER))
        assert np.allclose(played.position_px, expected[: len(played.position_px)], atol=1e-3)
