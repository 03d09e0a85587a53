"""The sound encoder, fed frame by frame."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sfpipe.agents.streaming_conv import StreamingConv, StreamingStack, relu
from sfpipe.agents.weights import array
from sfpipe.belief.network import PlaceNetwork, ResidualConv1d, amplified
from sfpipe.store.schema import BINS


class StreamingEncoder:
    """The newest frame's vector, as `PlaceNetwork.encode_audio` gives it, from the frames so far.

    Parameters
    ----------
    network:
        In `eval()` mode, on the CPU; its weights are copied, later changes do not count.
    """

    def __init__(self, network: PlaceNetwork):
        self._gains_db = network.gains_db
        layers, rows = [], BINS
        for layer in itertools.chain(_fused(network.sound), _fused(network.sound_rows)):
            layers.append(StreamingConv(layer, rows, 1, relu))
            rows = layers[-1].rows
        for along in network.along_time:
            if isinstance(along, ResidualConv1d):
                (layer,) = _fused(along.layers)
                step = int(layer.dilation[0])
                layers.append(StreamingConv(layer, 1, step, relu, residual=True))
        silence = np.zeros((len(self._gains_db), BINS), np.float32)
        self._stack = StreamingStack(layers, silence, network.context)
        last = network.to_frame
        assert last.bias is not None
        self._weight, self._bias = array(last.weight)[..., 0], array(last.bias)

    def another(self) -> StreamingEncoder:
        """The same weights, for a sound of its own; silence is all there was."""
        other = copy.copy(self)
        other._stack = self._stack.another()
        return other

    def reset(self) -> None:
        """Silence is all there was."""
        self._stack.reset()

    def add(self, frame: np.ndarray) -> np.ndarray:
        """Take in one frame, float32 [shape=(78,)]; returns its vector, float32 [shape=(96,)]."""
        sound = torch.from_numpy(np.array(frame, np.float32))
        x = np.stack([amplified(sound, gain).numpy() for gain in self._gains_db])
        out = self._weight @ self._stack.push(x)[:, 0] + self._bias
        vector: np.ndarray = out / max(float(np.linalg.norm(out)), 1e-12)
        return vector


def _fused(layers: Iterable[nn.Module]) -> Iterator[nn.Conv1d | nn.Conv2d]:
    """The convolutions, each doing the work of the norm after it too."""
    for layer, after in itertools.pairwise(layers):
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            assert isinstance(after, nn.BatchNorm1d | nn.BatchNorm2d)
            yield fuse_conv_bn_eval(layer, after)
