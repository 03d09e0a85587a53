"""Recovery from jumps and false jumps, counted by hand."""

import math

import numpy as np
import pytest

from sfpipe.evaluation.jumps import PracticeEvent, PracticeTake
from sfpipe.evaluation.recovery import FollowedTake, false_jumps, recoveries, summarise

SOUND = np.zeros((78, 1), np.float32)


def followed(target, position, *events, kind="practice"):
    """A take of 30 px threshold and 10 px a centimetre."""
    target, position = np.array(target, float), np.array(position, float)
    return FollowedTake(
        PracticeTake("tune", "p", kind, SOUND, target, events), position, 30.0, 10.0
    )


def test_recovered_is_who_stays_for_a_second():
    # A jump in frame 50; right again in frames 60 to 69, and from frame 80 on.
    target = np.concatenate([np.full(50, 100.0), np.full(150, 500.0)])
    position = target.copy()
    position[50:60] = 100
    position[70:80] = 100
    (one,) = recoveries(followed(target, position, PracticeEvent("back", 50, 100, 500)))
    assert one.recovery_s == pytest.approx(1.5)
    assert one.share_right == pytest.approx(0.8)  # of the 100 frames of five seconds
    assert one.error_px == 0.0


def test_an_event_is_over_with_the_next_one():
    target = np.full(100, 100.0)
    position = np.full(100, 200.0)
    position[60:] = 100
    events = [PracticeEvent("back", 10, 0, 100), PracticeEvent("forward", 50, 0, 100)]
    first, second = recoveries(followed(target, position, *events))
    assert math.isinf(first.recovery_s)
    assert first.share_right == 0
    assert first.error_px == 100
    assert second.recovery_s == pytest.approx(0.5)


def test_where_nothing_is_played_everything_is_right():
    target = np.full(100, np.nan)
    target[:10] = 0
    (one,) = recoveries(followed(target, np.full(100, 900.0), PracticeEvent("pause", 20, 0, 0)))
    assert one.recovery_s == 0
    assert math.isnan(one.error_px)


def test_false_jumps_are_leaps_to_where_the_music_is_not():
    target = np.full(1200, 100.0)  # a minute
    position = target.copy()
    position[300:400] = 400  # away and back again: the way back is right
    position[500:] = 120  # a step within the threshold
    one = followed(target, position, kind="plain")
    assert false_jumps(one) == (1, 1.0)
    # Five seconds after an event are not counted.
    count, minutes = false_jumps(followed(target, position, PracticeEvent("back", 250, 0, 100)))
    assert (count, minutes) == (0, pytest.approx(1100 / 1200))


def test_a_summary_counts_jumps_apart_from_beginnings():
    target = np.full(400, 100.0)
    position = target.copy()
    position[:16] = 900  # begins after 0.8 s
    position[200:250] = 900  # back after 2.5 s
    takes = [
        followed(
            target, position, PracticeEvent("begin", 0, 0, 100), PracticeEvent("back", 200, 0, 100)
        ),
        followed(target, target, kind="plain"),
    ]
    result = summarise(takes)
    assert result["begin"]["within_s"] == {"0.5": 0, "1": 1, "2": 1, "3": 1, "5": 1}
    assert result["jumps"]["n"] == 1
    assert result["jumps"]["median_s"] == 2.5
    assert result["jumps"]["within_s"]["2"] == 0
    assert result["jumps"]["share_right_5s"] == 0.5
    assert set(result["kinds"]) == {"begin", "back"}
    assert result["false_jumps"]["plain"] == {"n": 0, "minutes": 400 / 1200, "per_minute": 0}
