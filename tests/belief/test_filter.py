"""The belief: it stays a distribution, moves as time passes, and believes what it hears."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.belief.filter import TEMPI, Belief
from sfpipe.params import BeliefFilterParams, override

PLACE, WIDTH = 8.0, 512.0
PARAMS = BeliefFilterParams()


def belief(n: int = 300, pace: float = -4.0, **changes) -> Belief:
    return Belief(np.full(n, pace, np.float32), PLACE, 0.75 * WIDTH, override(PARAMS, **changes))


def said(x_px: float, n: int = 300, height: float = 12.0, blur: float = 8.0) -> np.ndarray:
    """Logits of a frame that the network places at `x_px`."""
    centre = (np.arange(n) + 0.5) * PLACE
    return (height * np.exp(-0.5 * ((centre - x_px) / blur) ** 2)).astype(np.float32)


def spread(of: Belief) -> tuple[float, float]:
    share = of.table.sum(0)
    mean = float(share @ of.x_px / share.sum())
    return mean, float(np.sqrt(share @ (of.x_px - mean) ** 2 / share.sum()))


def test_it_begins_where_it_is_told_at_a_usual_tempo():
    b = belief()
    b.reset(800.0)
    assert spread(b)[0] == pytest.approx(800, abs=4)
    assert spread(b)[1] < 10
    assert b.table.sum() == pytest.approx(1, abs=1e-5)
    assert float(b.predict(np.zeros(1))[0]) == pytest.approx(800, abs=4)
    row = b.table.sum(1)
    assert row.argmax() not in (0, TEMPI - 1)


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_it_stays_a_distribution_whatever_is_said(seed):
    rng = np.random.default_rng(seed)
    b = belief(pace=float(rng.uniform(-6, -1)))
    b.reset(float(rng.uniform(0, 2400)))
    for frame in range(60):
        logits = (20 * rng.standard_normal(300)).astype(np.float32)
        b.update(logits, float(rng.uniform(-300, 2700)), WIDTH, move=frame > 0)
        assert (b.table >= 0).all()
        assert float(b.table.sum()) == pytest.approx(1, abs=1e-3)
        assert np.isfinite(b.predict(np.arange(10.0))).all()


@pytest.mark.parametrize("speed", [1.5, 5.0, 12.0])
def test_it_follows_a_steady_performance_and_knows_its_tempo(speed):
    b = belief()
    b.reset(200.0)
    for frame in range(100):
        x = 200 + speed * frame
        b.update(said(x), x, WIDTH, move=frame > 0)
    assert float(b.predict(np.zeros(1))[0]) == pytest.approx(x, abs=8)
    ten_on = float(b.predict(np.array([10.0]))[0])
    assert ten_on - float(b.predict(np.zeros(1))[0]) == pytest.approx(10 * speed, rel=0.2)


def test_a_steady_tempo_is_faster_where_notes_are_longer_in_quarters_per_px():
    pace = np.full(300, -4.0, np.float32)
    pace[100:] -= np.log(2)  # from 800 px on half as many quarter notes per px
    b = Belief(pace, PLACE, 0.75 * WIDTH, PARAMS)
    b.reset(400.0)
    for frame in range(80):
        x = 400 + 5.0 * frame
        b.update(said(x), x, WIDTH, move=frame > 0)
    here, on = b.predict(np.array([0.0, 20.0]))
    assert here == pytest.approx(795, abs=10)
    assert on - here == pytest.approx(200, rel=0.15)  # twice 20 frames of 5 px


def test_without_evidence_it_moves_on_and_grows_unsure():
    b = belief()
    b.reset(300.0)
    for frame in range(40):
        x = 300 + 5.0 * frame
        b.update(said(x), x, WIDTH, move=frame > 0)
    before = spread(b)
    for _ in range(15):
        b.update(np.zeros(300, np.float32), spread(b)[0], WIDTH, move=True)
    after = spread(b)
    assert after[0] - before[0] == pytest.approx(75, rel=0.25)
    assert after[1] > 2 * before[1]


def test_one_frame_misheard_does_not_lead_astray():
    b = belief()
    b.reset(300.0)
    for frame in range(60):
        x = 300 + 5.0 * frame
        b.update(said(x + (150 if frame == 50 else 0)), x, WIDTH, move=frame > 0)
    assert float(b.predict(np.zeros(1))[0]) == pytest.approx(x, abs=10)


def test_what_is_said_of_places_outside_of_the_window_is_not_heard():
    inside, outside = belief(), belief()
    logits = said(1000.0)
    far = logits.copy()
    far[:60] = far[200:] = 50.0  # below 480 and above 1600 px
    for b, heard in ((inside, logits), (outside, far)):
        b.reset(1000.0)
        b.update(heard, 1000.0, WIDTH, move=False)
        b.update(heard, 1000.0, WIDTH, move=True)
    assert np.allclose(inside.table, outside.table, atol=1e-6)


def test_at_the_end_of_the_score_it_stays():
    b = belief()
    b.reset(2300.0)
    for frame in range(120):
        b.update(np.zeros(300, np.float32), 2390.0, WIDTH, move=frame > 0)
    assert float(b.table.sum()) == pytest.approx(1, abs=1e-3)
    assert 2300 < float(b.predict(np.array([50.0]))[0]) <= 2400


def test_in_slow_music_a_frame_says_less():
    """It holds less music, and the next ones say the same again."""
    slow, fast = (belief(usual_tempo=0.07, likelihood_exponent=0.06) for _ in range(2))
    for b, tempo in ((slow, 0.02), (fast, 0.14)):
        b.reset(1000.0)
        b.mean_tempo = tempo
        b.update(said(1030.0, height=60), 1000.0, WIDTH, move=False)
    assert 1000 <= spread(slow)[0] < spread(fast)[0] < 1030


def test_where_nothing_is_told_it_keeps_to_the_tempo_of_the_last_seconds():
    """After 40 frames that say nothing, 1 - 0.99**40 = 0.33 of the belief has begun anew."""

    def tempo(**changes) -> tuple[float, float]:
        b = belief(**changes)
        b.reset(200.0)
        for frame in range(100):
            b.update(said(200 + 12.0 * frame), 200 + 12.0 * frame, WIDTH, move=frame > 0)
        before = float(b.table.sum(1) @ b.tempo)
        for frame in range(40):
            x = 1400 + 12.0 * frame
            b.update(np.zeros(300, np.float32), x, WIDTH, move=True)
        return before, float(b.table.sum(1) @ b.tempo)

    steady = 12.0 * np.exp(-4.0)  # px/frame by quarters/px: three times the usual tempo
    before, after = tempo()
    assert before == pytest.approx(steady, rel=0.1)
    assert after == pytest.approx(before, rel=0.1)
    before, after = tempo(recent_tempo_share=0.0)
    usual = float(belief().prior @ belief().tempo)
    assert after == pytest.approx(0.67 * before + 0.33 * usual, rel=0.1)
