"""Device and arithmetic, chosen once."""

from __future__ import annotations

import copy
import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from sfpipe.errors import SfpipeError

Network = TypeVar("Network", bound=nn.Module)


def choose_device(device: str) -> torch.device:
    """`auto` is CUDA where there is a GPU.

    Raises
    ------
    SfpipeError
        If `cuda` is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise SfpipeError(
            "no CUDA device is available", remedy="set train.common.device to auto or cpu"
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def choose_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16; `auto` says yes where the hardware multiplies it natively."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    try:
        words = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False  # emulated bfloat16 is slower than float32
    return "avx512_bf16" in words or "amx_bf16" in words


@contextmanager
def computing_threads(threads: int | None) -> Iterator[None]:
    """Compute with so many threads inside the block, afterwards with as many as before.

    None leaves them: all cores, but for what OMP_NUM_THREADS says.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def on_cpu(network: Network) -> Network:
    """The network where a follower of single frames computes: itself, or a copy on the CPU."""
    if all(p.device.type == "cpu" for p in network.parameters()):
        return network
    return copy.deepcopy(network).cpu()


def keep_memory() -> None:
    """Let the C library reuse large blocks instead of returning them to the system.

    Activations are allocated and freed at every step; with glibc's defaults each is mapped and
    page-faulted anew, a quarter of the training time. Other C libraries are left alone.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    trim_threshold, mmap_threshold = -1, -3
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, (1 << 31) - 1)
