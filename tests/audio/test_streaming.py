import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.streaming import StreamingSpectrogram
from sfpipe.errors import SfpipeError

RATE = 22_050


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(-20_000, 20_000, n).astype(np.int16)


def stream(samples: np.ndarray, sizes: list[int]) -> np.ndarray:
    """The stream's frames, fed in chunks of `sizes`, over and over."""
    live, parts, at, turn = StreamingSpectrogram(), [], 0, 0
    while at < len(samples):
        size = sizes[turn % len(sizes)]
        parts.append(live.push(samples[at : at + size]))
        at, turn = at + size, turn + 1
    return np.concatenate([*parts, live.flush()], axis=1)


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 12_000),
    sizes=st.lists(st.integers(0, 5_000), min_size=1, max_size=6).filter(lambda s: sum(s) > 40),
)
def test_any_chunking_gives_the_offline_numbers(n, sizes):
    samples = noise(n)
    # Bit for bit, not only close: what an agent learnt on is what it hears.
    np.testing.assert_array_equal(stream(samples, sizes), spectrogram(samples, RATE))


def test_sample_by_sample():
    samples = noise(3000)
    np.testing.assert_array_equal(stream(samples, [1]), spectrogram(samples, RATE))


def test_equals_the_reference(golden):
    np.testing.assert_allclose(stream(golden["wav"], [512]), golden["spec"], atol=1e-5)


def test_a_frame_comes_with_its_last_sample():
    live = StreamingSpectrogram()
    assert live.push(noise(1023)).shape == (78, 0)
    assert live.push(noise(1)).shape == (78, 1)  # frame 0 covers samples [-1024, 1024)
    assert live.push(noise(1101)).shape == (78, 0)
    assert live.push(noise(1)).shape == (78, 1)  # frame 1: [78, 2126)


def test_reset_starts_a_new_stream():
    live = StreamingSpectrogram()
    live.push(noise(5000))
    live.flush()
    with pytest.raises(SfpipeError, match="ended"):
        live.push(noise(10))
    live.reset()
    again = np.concatenate([live.push(noise(4000)), live.flush()], axis=1)
    np.testing.assert_array_equal(again, spectrogram(noise(4000), RATE))


def test_an_empty_stream_has_no_frames():
    assert StreamingSpectrogram().flush().shape == (78, 0)


def test_a_bad_chunk_is_refused_and_does_no_harm():
    samples = noise(4000)
    live = StreamingSpectrogram()
    first = live.push(samples[:2000])
    for bad in (np.array([0.0, np.nan]), np.zeros((5, 2), np.int16)):
        with pytest.raises(SfpipeError):
            live.push(bad)
    whole = np.concatenate([first, live.push(samples[2000:]), live.flush()], axis=1)
    np.testing.assert_array_equal(whole, spectrogram(samples, RATE))


def test_wrong_rate():
    with pytest.raises(SfpipeError, match="44100"):
        StreamingSpectrogram(44_100)


def test_is_fast_enough_to_go_unnoticed():
    live, samples, times = StreamingSpectrogram(), noise(1103), []
    for _ in range(200):
        start = time.perf_counter()
        live.push(samples)
        times.append(time.perf_counter() - start)
    # Measured 0.08 ms; the paper's whole agent takes 2 ms. Room for a slow or busy machine.
    assert np.median(times) < 1e-3
