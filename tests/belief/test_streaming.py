"""Frame by frame gives what the whole recording gives."""

import numpy as np
import pytest
import torch

from sfpipe.belief.network import PlaceNetwork
from sfpipe.belief.streaming import StreamingEncoder
from sfpipe.following.belief import encode_performance
from sfpipe.store.window import WINDOWS


def trained(**options) -> PlaceNetwork:
    """A network whose norms have something to do, as after a training."""
    torch.manual_seed(0)
    network = PlaceNetwork(WINDOWS["nottingham"], **options)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0.0, 0.3)
            torch.nn.init.normal_(module.running_mean, 0.0, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network.eval()


def sound(n_frames: int, seed: int = 0) -> np.ndarray:
    made = np.abs(np.random.default_rng(seed).normal(0, 0.5, (78, n_frames))).astype(np.float32)
    made[:, n_frames // 3 : n_frames // 2] = 0
    return made


def frame_by_frame(encoder: StreamingEncoder, spectrogram: np.ndarray) -> np.ndarray:
    return np.stack([encoder.add(frame) for frame in spectrogram.T])


@pytest.mark.parametrize("gains_db", [[0.0], [0.0, 30.0]])
@pytest.mark.parametrize("sound_steps", [[1], [1, 2, 4, 8], [1, 2, 4, 8, 16]])
def test_each_frame_has_the_vector_it_has_in_the_whole(gains_db, sound_steps):
    network = trained(gains_db=gains_db, sound_steps=sound_steps)
    heard = sound(network.context * 2 + 20)
    vectors = frame_by_frame(StreamingEncoder(network), heard)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, encode_performance(network, heard), atol=2e-6)


def test_what_it_forgot_is_as_if_it_had_never_sounded():
    network, heard = trained(), sound(80)
    encoder = StreamingEncoder(network)
    first = frame_by_frame(encoder, heard)
    encoder.reset()
    assert np.array_equal(frame_by_frame(encoder, heard), first)


def test_a_frame_that_is_changed_afterwards_was_heard_as_it_was():
    encoder, frame = StreamingEncoder(trained()), np.ones(78, np.float32)
    once = encoder.add(frame)
    again = StreamingEncoder(trained())
    assert np.array_equal(again.add(frame), once)
    frame[:] = 5
    assert np.array_equal(encoder.add(np.ones(78, np.float32)), again.add(np.ones(78, np.float32)))
