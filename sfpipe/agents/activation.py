"""ELU at the speed of memory on processors, where PyTorch's costs as much as the convolutions.

PyTorch evaluates a library exponential per element, for both signs. The kernels here evaluate one
short polynomial in vector registers instead, in place, and are exact: every bfloat16 input gives
the bfloat16 nearest to the true value, every float32 one is within 3e-7 relative of it.

What it pays (processor time of an update, Table 1, 64 games of 15 steps, one thread of a Xeon with
AVX512_BF16, median of six, against `nn.ELU`): PPO in minibatches of 120 takes 16 % longer without
it in bfloat16 and 14 % in float32, A2C 6 to 12 % and 5 %; pretraining is as fast without.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import nn
from torch.nn import functional as F

from sfpipe.store.bfloat16 import narrow, widen

# Adding 1.5 x 2**23 to a small float rounds it to an integer that stands in its lowest bits.
_ROUNDER = np.float32(12582912.0)
_ROUNDER_BITS = np.int32(0x4B400000)
_LOG2_E = np.float32(1.4426950408889634)
# log(2) in two parts: the first has so few digits that its products with integers are exact.
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_SMALLEST = np.float32(-30.0)  # exp(-30) is nothing beside 1
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_T3, _T4, _T5, _T6, _T7 = (np.float32(1 / n) for n in (6, 24, 120, 720, 5040))


@njit(inline="always")
def _elu(x: np.float32) -> np.float32:
    """x if x > 0, else exp(x) - 1; NaN stays NaN."""
    bounded = _SMALLEST if x < _SMALLEST else x
    rounded = bounded * _LOG2_E + _ROUNDER
    n = rounded - _ROUNDER
    r = bounded - n * _LN2_HIGH - n * _LN2_LOW
    # 2**n, by writing n into the exponent.
    exponent = np.float32(rounded).view(np.int32) - _ROUNDER_BITS + np.int32(127)
    scale = np.int32(exponent << 23).view(np.float32)
    p = r * (_ONE + r * (_HALF + r * (_T3 + r * (_T4 + r * (_T5 + r * (_T6 + r * _T7))))))
    return x if x > _ZERO else scale * p + (scale - _ONE)


# Contraction alone: anything looser would reorder the roundings above, or lose NaN.
_OPTIONS: Any = {"fastmath": {"contract"}, "nogil": True, "cache": True, "error_model": "numpy"}


@njit(**_OPTIONS)
def _forward_float32(x: np.ndarray) -> None:
    for i in range(x.size):
        x[i] = _elu(x[i])


@njit(**_OPTIONS)
def _forward_bfloat16(x: np.ndarray) -> None:
    for i in range(x.size):
        x[i] = np.uint16(narrow(_elu(widen(x[i]))))


@njit(**_OPTIONS)
def _backward_float32(y: np.ndarray, gradient: np.ndarray, out: np.ndarray) -> None:
    for i in range(y.size):
        g = gradient[i]
        out[i] = g if y[i] > _ZERO else g * (y[i] + _ONE)


@njit(**_OPTIONS)
def _backward_bfloat16(y: np.ndarray, gradient: np.ndarray, out: np.ndarray) -> None:
    for i in range(y.size):
        f, g = widen(y[i]), widen(gradient[i])
        out[i] = np.uint16(narrow(g if f > _ZERO else g * (f + _ONE)))


_FORWARD = {torch.float32: _forward_float32, torch.bfloat16: _forward_bfloat16}
_BACKWARD = {torch.float32: _backward_float32, torch.bfloat16: _backward_bfloat16}


def _dense(x: torch.Tensor) -> bool:
    return x.is_contiguous() or (x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last))


def _memory(x: torch.Tensor) -> np.ndarray:
    """The elements of a dense tensor as they lie in memory; bfloat16 as bits."""
    flat = x.detach().as_strided((x.numel(),), (1,))
    if x.dtype == torch.bfloat16:
        return flat.view(torch.int16).numpy().view(np.uint16)
    return flat.numpy()


class _InPlaceElu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        _FORWARD[x.dtype](_memory(x))
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (y,) = ctx.saved_tensors
        if gradient.stride() != y.stride():  # an expanded or otherwise laid out gradient
            gradient = torch.empty_like(y).copy_(gradient)
        out = torch.empty_like(y)
        _BACKWARD[y.dtype](_memory(y), _memory(gradient), _memory(out))
        return out


class ELU(nn.Module):
    """`torch.nn.ELU(inplace=True)`, by the kernels of this module where they apply."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """ELU of `x`, in place."""
        if x.device.type == "cpu" and x.dtype in _FORWARD and _dense(x):
            return _InPlaceElu.apply(x)
        return F.elu(x, inplace=True)
