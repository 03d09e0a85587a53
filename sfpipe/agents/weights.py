"""A network's weights: in a file, and as a copy that training does not change."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from sfpipe.errors import SfpipeError
from sfpipe.files import replacing

WEIGHTS = "weights.safetensors"


def write_weights(folder: Path, network: nn.Module) -> None:
    """Write `weights.safetensors` into `folder`."""
    from safetensors.torch import save_file

    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    with replacing(folder / WEIGHTS) as temporary:
        save_file(tensors, str(temporary))


def read_weights(folder: Path, network: nn.Module, remedy: str) -> None:
    """Give `network` the weights that `write_weights` wrote into `folder`.

    Raises
    ------
    SfpipeError
        If the file is missing or damaged, or the weights do not fit the network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = folder / WEIGHTS
    try:
        weights = load_file(str(file))
        network.load_state_dict(weights)
    except FileNotFoundError:
        raise SfpipeError("no such file", file=file, remedy=remedy) from None
    except (SafetensorError, RuntimeError, OSError) as error:
        first = str(error).splitlines()[0]
        raise SfpipeError(
            f"does not hold this network's weights ({first})", file=file, remedy=remedy
        ) from None
    if not all(bool(w.isfinite().all()) for w in weights.values()):
        raise SfpipeError("holds NaN or infinity", file=file, remedy=remedy)


def copy_weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of a network's state, on the CPU."""
    return {k: v.detach().cpu().clone() for k, v in network.state_dict().items()}
