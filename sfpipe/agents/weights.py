"""A network's weights: in a file, and as a copy that training does not change."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import nn

from sfpipe.errors import SfpipeError
from sfpipe.files import replacing

WEIGHTS = "weights.safetensors"

Network = TypeVar("Network", bound=nn.Module)


class RunningAverage(Generic[Network]):
    """A network beside one that is trained, with the running average of its weights.

    From one update to the next weights jump about the place they are moving to; their average is
    there already (Polyak and Juditsky 1992).

    Parameters
    ----------
    network:
        With whose present weights the average begins.
    frames:
        Time constant: weights of so many frames ago count 1/e of the present ones.
    """

    def __init__(self, network: Network, frames: int):
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.frames = frames

    @torch.no_grad()
    def follow(self, network: Network, frames: float) -> None:
        """Take in the weights that training has now, `frames` after the last ones."""
        share = 1 - math.exp(-frames / self.frames)
        for mean, weight in zip(self.network.parameters(), network.parameters(), strict=True):
            mean.lerp_(weight, share)
        # Statistics of a batch normalisation are averages over updates already.
        for kept, present in zip(self.network.buffers(), network.buffers(), strict=True):
            kept.copy_(present)


def write_weights(folder: Path, network: nn.Module) -> None:
    """Write `weights.safetensors` into `folder`."""
    from safetensors.torch import save

    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    with replacing(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save(tensors))  # save_file would leave files of its own when killed


def load_weights(file: Path, remedy: str) -> dict[str, torch.Tensor]:
    """The arrays of a safetensors file.

    Raises
    ------
    SfpipeError
        If it is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(str(file))
    except FileNotFoundError:
        raise SfpipeError("no such file", file=file, remedy=remedy) from None
    # Types that torch has not got are KeyErrors, shapes without content RuntimeErrors.
    except (SafetensorError, RuntimeError, OSError, KeyError, ValueError, MemoryError) as error:
        raise SfpipeError(
            f"does not hold this network's weights ({first_line(error)})", file=file, remedy=remedy
        ) from None


def first_line(error: Exception) -> str:
    """The first line of what an exception says."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def read_weights(folder: Path, network: nn.Module, remedy: str) -> None:
    """Give `network` the weights that `write_weights` wrote into `folder`.

    Raises
    ------
    SfpipeError
        If the file is missing or damaged, or the weights do not fit the network.
    """
    file = folder / WEIGHTS
    weights = load_weights(file, remedy)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise SfpipeError(
            f"does not hold this network's weights ({first_line(error)})", file=file, remedy=remedy
        ) from None
    if not all(bool(w.isfinite().all()) for w in weights.values()):
        raise SfpipeError("holds NaN or infinity", file=file, remedy=remedy)


def copy_weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of a network's state, on the CPU."""
    return {k: v.detach().cpu().clone() for k, v in network.state_dict().items()}


def array(parameter: torch.Tensor) -> np.ndarray:
    """A float32 copy that training does not change."""
    return parameter.detach().float().cpu().numpy().copy()
