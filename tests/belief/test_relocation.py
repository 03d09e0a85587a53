"""Where the music goes on, on a score of 400 places of 8 px that sound as they are told to."""

import numpy as np
import pytest

from sfpipe.belief.relocation import Relocator, SilenceMeter
from sfpipe.belief.whole_score import WholeScoreBelief
from sfpipe.params import BeliefFilterParams, RelocationParams

PLACES, PLACE_PX = 400, 8.0
PACE = np.full(PLACES, np.log(0.07 / PLACE_PX), np.float32)  # a place a frame at the usual tempo
BARS = np.arange(0, PLACES, 20) * PLACE_PX
APART_PX = 170.0
NOWHERE = np.zeros(0)


def sound_of(*places):
    """Logits of a frame that goes well with some places and with nothing else."""
    logits = np.zeros(PLACES, np.float32)
    for place in places:
        logits[place - 1 : place + 2] = 10
    return logits


def px(place):
    """Middle of a place, px from the first one."""
    return (place + 0.5) * PLACE_PX


def relocator(**params):
    """One that is sure of the first bar."""
    one = Relocator(
        PACE, PLACE_PX, BARS, NOWHERE, APART_PX, BeliefFilterParams(), RelocationParams(**params)
    )
    one.reset(px(20))
    return one


def follow(one, sounds, here):
    """Frames of sound, with the music thought to be `here` (places); all relocations."""
    found = []
    for n, (logits, place) in enumerate(zip(sounds, here, strict=True)):
        one.rest(sounds=True)
        there = one.push(logits, px(place), 2.5)
        if there is not None:
            found.append((n, there))
    return found


def test_the_belief_is_a_distribution_and_follows_the_music():
    belief = WholeScoreBelief(
        PACE, PLACE_PX, BARS, NOWHERE, APART_PX, BeliefFilterParams(), RelocationParams()
    )
    for n in range(60):
        belief.update(sound_of(100 + n), px(20))
        assert belief.table.sum() == pytest.approx(1, abs=1e-4)
    best = belief.x_px[belief.table.sum(0).argmax()]
    assert best == pytest.approx(px(159), abs=2 * PLACE_PX)
    candidate = belief.candidate(px(20))
    assert candidate.x_px == pytest.approx(px(159), abs=3 * PLACE_PX)
    assert candidate.share > 0.9
    # A place a frame is 0.07 quarter notes.
    assert candidate.tempo == pytest.approx(0.07, rel=0.25)


def test_where_the_page_tells_to_return_is_likelier():
    belief = WholeScoreBelief(
        PACE, PLACE_PX, BARS, BARS[10:11], APART_PX, BeliefFilterParams(), RelocationParams()
    )
    for n in range(30):  # bars 10 and 18 sound alike, and are as far from here
        belief.update(sound_of(200 + n, 360 + n), px(280))
    assert belief.candidate(px(280)).x_px == pytest.approx(px(229), abs=4 * PLACE_PX)


def test_nothing_leaves_the_score_at_its_end():
    belief = WholeScoreBelief(
        PACE, PLACE_PX, BARS, NOWHERE, APART_PX, BeliefFilterParams(), RelocationParams(jump_prob=0)
    )
    for _ in range(2000):
        belief.update(np.zeros(PLACES, np.float32), px(20))
    assert belief.table.sum() == pytest.approx(1, abs=1e-4)
    assert np.isfinite(belief.table).all()


def test_it_goes_where_the_music_has_gone_within_a_second():
    one = relocator()
    before = follow(one, [sound_of(20 + n) for n in range(60)], 20 + np.arange(60))
    assert before == []
    assert one.certainty == "following"
    after = follow(one, [sound_of(300 + n) for n in range(20)], 80 + np.arange(20))
    frame, there = after[0]
    assert frame < 20
    assert there.x_px == pytest.approx(px(300 + frame), abs=4 * PLACE_PX)
    assert one.certainty == "relocated"


def test_places_that_sound_alike_are_no_reason_to_go():
    one = relocator()
    sounds = [sound_of(20 + n, 220 + n) for n in range(150)]
    assert follow(one, sounds, 20 + np.arange(150)) == []


def test_a_wrong_note_is_no_reason_to_go():
    one = relocator()
    sounds = [sound_of(20 + n) for n in range(100)]
    sounds[40:43] = [sound_of(300 + n) for n in range(3)]
    sounds[70:74] = [sound_of(150 + n) for n in range(4)]
    assert follow(one, sounds, 20 + np.arange(100)) == []


def test_after_the_places_part_it_takes_the_right_one():
    one = relocator()
    # Bars 1 and 11 begin alike; after 40 frames only the second one goes on as is heard.
    alike = [sound_of(20 + n, 220 + n) for n in range(40)]
    parted = [sound_of(260 + n) for n in range(20)]
    found = follow(one, [*alike, *parted], 20 + np.arange(60))
    assert found[0][0] < 55
    assert found[0][1].x_px == pytest.approx(px(220 + found[0][0]), abs=4 * PLACE_PX)


def test_in_a_rest_it_waits():
    one = relocator()
    follow(one, [sound_of(20 + n) for n in range(20)], 20 + np.arange(20))
    resting = [one.rest(sounds=False) for _ in range(40)]
    assert resting.index(True) == 15  # after 0.75 s
    table = one.belief.table.copy()
    assert one.push(sound_of(300), px(40), 0.0) is None
    np.testing.assert_array_equal(one.belief.table, table)
    assert not one.rest(sounds=True)


def test_what_matches_nothing_for_seconds_is_lost():
    one = relocator(lead=1e6)
    for n in range(300):
        one.rest(sounds=True)
        one.push(sound_of(300 + n // 10), px(20), -1.0)
    assert one.confidence == 0
    assert one.certainty == "lost"


def test_silence_is_what_is_far_softer_than_the_last_seconds():
    meter = SilenceMeter()
    loud, soft = np.full(78, 1.0, np.float32), np.full(78, 0.015, np.float32)
    assert meter.push(loud)
    assert not meter.push(soft)
    # What was loudest is forgotten, to 0.75 after 2.9 s, when soft is 2 % of it.
    heard = [meter.push(soft) for _ in range(80)]
    assert heard.index(True) == pytest.approx(57, abs=2)
