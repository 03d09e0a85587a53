"""Compiled gathering against slices, in every memory_format."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.store.bank import MemoryFormat
from sfpipe.store.gather import pair, pairs, pairs_bfloat16


def slices(image, first, second, width, scale):
    factor = np.float32(scale)
    now, before = (
        np.stack([image[:, a : a + width].astype(np.float32) * factor for a in index])
        for index in (first, second)
    )
    return np.stack([now, now - before], axis=1)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), dtype=st.sampled_from([np.uint8, np.float32]))
def test_every_layout_holds_the_same_windows(data, dtype):
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    height, columns = data.draw(st.integers(1, 6)), data.draw(st.integers(8, 60))
    width = data.draw(st.integers(1, 8))
    image = (rng.random((height, columns)) * 255).astype(dtype)
    n = data.draw(st.integers(0, 5))
    first, second = rng.integers(0, columns - width + 1, (2, n))
    arguments = (image, first, second, width, 1 / 255)
    if not n:
        assert pairs(*arguments).shape == (0, 2, height, width)
        return
    expected = slices(*arguments)
    assert np.array_equal(pairs(*arguments), expected)
    assert np.array_equal(pairs(*arguments, interleaved=True), np.moveaxis(expected, 1, 3))
    rounded = pairs_bfloat16(*arguments)
    assert torch.equal(rounded, torch.from_numpy(expected).to(torch.bfloat16))
    assert rounded.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(pair(image, int(first[0]), int(second[0]), width, 1 / 255), expected[0])


@pytest.mark.parametrize("first, second", [(-1, 0), (0, -1), (93, 0), (0, 93)])
def test_windows_outside_the_image_are_refused(first, second):
    image = np.zeros((4, 100), np.uint8)
    pair(image, 92, 0, 8, 1.0)
    with pytest.raises(IndexError, match="leaves an image of 100"):
        pair(image, first, second, 8, 1.0)
    with pytest.raises(IndexError):
        pairs_bfloat16(image, np.array([first]), np.array([second]), 8, 1.0)


def test_a_layout_changes_memory_not_numbers():
    x = torch.randn(2, 2, 5, 6)
    assert MemoryFormat().apply(x) is x
    assert torch.equal(MemoryFormat(channels_last=True).apply(x), x)
    assert torch.equal(MemoryFormat(bfloat16=True).apply(x), x.to(torch.bfloat16))
    for memory_format in (MemoryFormat(channels_last=True), MemoryFormat(bfloat16=True)):
        assert memory_format.apply(x).is_contiguous(memory_format=torch.channels_last)
