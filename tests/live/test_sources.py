"""A queue that never grows, and recordings at the speed of the music."""

import time

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from sfpipe.errors import SfpipeError
from sfpipe.live.sources import NewestSound, recording


def test_the_oldest_sound_is_lost_and_counted():
    queue = NewestSound(100, most_s=1)
    for i in range(25):  # 2.5 s in blocks of 0.1 s
        queue.put(np.full(10, i))
    first = queue.take()
    assert (first.samples[0], first.lost_s) == (15, 1.5)
    assert queue.take() == (pytest.approx(np.full(10, 16)), 0)
    assert queue.lost_s == pytest.approx(1.5)


def test_of_a_block_that_is_too_long_the_end_is_kept():
    queue = NewestSound(100, most_s=1)
    queue.put(np.arange(10))
    queue.put(np.arange(250))
    block = queue.take()
    assert (list(block.samples), block.lost_s) == (list(range(150, 250)), 1.6)
    assert queue.take() is None


def test_sound_that_is_not_sent_is_lost():
    queue = NewestSound(100, most_s=1)
    queue.put(np.arange(10))
    assert queue.take().lost_s == 0
    queue.lose(3)
    queue.put(np.arange(10))
    assert (queue.take().lost_s, queue.lost_s) == (3, 3)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 150)), max_size=40))
def test_what_is_taken_and_lost_is_what_was_put(steps):
    queue, put, taken = NewestSound(100), 0, 0.0
    for is_put, n in steps:
        if is_put:
            queue.put(np.arange(put, put + n))
            put += n
        elif block := queue.take():
            if len(block.samples):
                assert block.samples[0] == round(taken + 100 * block.lost_s)
            taken += 100 * block.lost_s + len(block.samples)
    while block := queue.take():
        taken += 100 * block.lost_s + len(block.samples)
    assert round(taken) == put


def test_a_recording_takes_as_long_as_it_sounds(tmp_path):
    sound = np.random.default_rng(0).normal(0, 0.1, (4410, 2))
    soundfile.write(tmp_path / "a.wav", sound, 22_050, subtype="FLOAT")
    for real_time, least, most in ((False, 0, 0.15), (True, 0.19, 2)):
        with recording(tmp_path / "a.wav", real_time=real_time) as source:
            assert (source.rate, source.channels) == (22_050, 2)
            began = time.monotonic()
            found = np.concatenate([block.samples for block in source.blocks()])
            assert least <= time.monotonic() - began <= most
        np.testing.assert_allclose(found, sound, atol=1e-6)


def test_a_missing_recording_is_named(tmp_path):
    with (
        pytest.raises(SfpipeError, match=r"none\.wav: no such file"),
        recording(tmp_path / "none.wav"),
    ):
        pass


def test_blocks_that_wait_are_taken_together():
    queue = NewestSound(100)
    for start in range(0, 120, 20):  # the first is lost
        queue.put(np.arange(start, start + 20.0))
    block = queue.take(50)
    assert block.lost_s == 0.2 and np.array_equal(block.samples, np.arange(20.0, 60))
    assert len(queue.take().samples) == 20  # one
    block = queue.take(10)  # one that is longer is taken whole
    assert block.lost_s == 0 and np.array_equal(block.samples, np.arange(80.0, 100))
