"""The rules of `dynamics` as compiled loops over games, for processors.

A step of 64 games is 40 tensor operations of which each costs more than the arithmetic in it.
Both statements of the rules must agree to the bit, which the tests check step by step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit

from sfpipe.store.bank import Bank

_OPTIONS: Any = {"nogil": True, "cache": True, "error_model": "numpy"}


@njit(**_OPTIONS)
def move(position, speed, target, half, end, threshold):
    """The rules for one game: new position, error in px, reward, whether the target is lost."""
    x = min(max(position + speed, half), end)
    error = x - target
    distance = abs(error)
    return x, error, max((threshold - distance) / threshold, 0.0), distance > threshold


@njit(**_OPTIONS)
def _advance(
    performance,
    frame,
    position,
    speed,
    acceleration,
    targets,
    frame_base,
    strip_width,
    last_frame,
    half,
    threshold,
    new_frame,
    new_position,
    new_speed,
    reward,
    lost,
    finished,
    error,
):
    for i in range(len(performance)):
        p = performance[i]
        v = speed[i] + acceleration[i]
        f = frame[i] + 1
        # Nobody is kept from playing on after the end; compiled loops check no bounds.
        target = targets[min(frame_base[p] + f, len(targets) - 1)]
        end = strip_width[p] - half - 1
        new_position[i], error[i], reward[i], lost[i] = move(
            position[i], v, target, half, end, threshold
        )
        new_frame[i], new_speed[i] = f, v
        finished[i] = f >= last_frame[p] and not lost[i]


@njit(**_OPTIONS)
def _columns(performance, position, strip_base, phase_stride, half, halved, column):
    for i in range(len(performance)):
        p = performance[i]
        start = np.int64(position[i] - half)
        if halved:
            column[i] = strip_base[p] + (start >> 1) + (start & 1) * phase_stride[p]
        else:
            column[i] = strip_base[p] + start


def advance(
    bank: Bank, state: tuple[torch.Tensor, ...], acceleration: torch.Tensor, threshold_px: float
) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
    """`dynamics.step`: fields of the state after, and of the outcome."""
    performance, frame, _, position, _, speed = state
    n = len(performance)
    after = [torch.empty(n, dtype=t.dtype) for t in (frame, position, speed)]
    kinds = (torch.float32, torch.bool, torch.bool, torch.float64)
    outcome = tuple(torch.empty(n, dtype=kind) for kind in kinds)
    tables = bank.tables
    wanted = acceleration.to(torch.float64).expand(n)
    inputs = (performance, frame, position, speed, wanted)
    _advance(
        *(t.numpy() for t in inputs),
        *(tables[k] for k in ("targets", "frame_base", "strip_width", "last_frame")),
        bank.window.width / 2,
        float(threshold_px),
        *(t.numpy() for t in (*after, *outcome)),
    )
    new_frame, new_position, new_speed = after
    return (performance, new_frame, frame, new_position, position, new_speed), outcome


def columns(bank: Bank, performance: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    """`Bank.columns`: first packed columns of windows, int64 [shape=(n,)]."""
    column = torch.empty(len(performance), dtype=torch.int64)
    _columns(
        performance.numpy(),
        position.numpy(),
        bank.tables["strip_base"],
        bank.tables["phase_stride"],
        bank.window.width / 2,
        bank.window.shrink > 1,
        column.numpy(),
    )
    return column
