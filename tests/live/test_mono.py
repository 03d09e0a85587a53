"""Mixing down and resampling a stream, beside doing the same to all of it at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfpipe.audio.files import resample
from sfpipe.errors import SfpipeError
from sfpipe.live.mono import MonoStream


def stream(samples, sizes, rate, channels=1):
    mono, out, at = MonoStream(rate, channels), [], 0
    for size in sizes:
        out.append(mono.push(samples[at : at + size]))
        at += size
    out.append(mono.push(samples[at:]))
    out.append(mono.flush())
    return np.concatenate(out)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 96000])
def test_a_stream_is_resampled_as_a_file_is(rate):
    samples = np.random.default_rng(1).normal(0, 0.1, rate).astype(np.float32)
    found = stream(samples, [37, 1000, 1, 512], rate)
    np.testing.assert_allclose(found, resample(samples, rate, 22_050), atol=1e-6)


@given(st.lists(st.integers(0, 3000), max_size=12), st.sampled_from([1, 2]))
def test_blocks_of_any_size_give_the_same_samples(sizes, channels):
    samples = np.random.default_rng(2).normal(0, 0.1, (12_000, channels)).astype(np.float32)
    whole = stream(samples, [], 48_000, channels)
    np.testing.assert_array_equal(stream(samples, sizes, 48_000, channels), whole)


def test_channels_are_mixed():
    left = np.random.default_rng(3).normal(0, 0.1, 22_050).astype(np.float32)
    samples = np.column_stack([left, np.zeros_like(left)])
    np.testing.assert_allclose(stream(samples, [100], 22_050, 2), left / 2, atol=1e-7)


def test_of_channels_that_cancel_the_louder_one_is_taken():
    left = np.random.default_rng(3).normal(0, 0.1, 22_050).astype(np.float32)
    samples = np.column_stack([0.9 * left, -left])
    np.testing.assert_array_equal(stream(samples, [100], 22_050, 2), -left)


def test_whole_numbers_are_scaled_and_what_is_no_number_is_silence():
    whole = np.array([16384, -32768], np.int16)
    np.testing.assert_array_equal(MonoStream(22_050).push(whole), [0.5, -1])
    bad = np.array([np.nan, np.inf, -np.inf, 1e30, 0.25])
    np.testing.assert_array_equal(MonoStream(22_050).push(bad), [0, 0, 0, 4, 0.25])


@pytest.mark.parametrize(
    ("rate", "channels", "said"),
    [(7999, 1, "7999 Hz"), (400_000, 1, "400000 Hz"), (48_000, 0, "0 channels"), (48_000, 9, "9")],
)
def test_other_rates_and_channels_are_refused(rate, channels, said):
    with pytest.raises(SfpipeError, match=said):
        MonoStream(rate, channels)


def test_other_shapes_are_refused():
    with pytest.raises(SfpipeError, match=r"\(n, 2\), found \(5,\)"):
        MonoStream(48_000, 2).push(np.zeros(5))
    with pytest.raises(SfpipeError, match="found int32"):
        MonoStream(48_000).push(np.zeros(5, np.int32))
