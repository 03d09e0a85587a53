"""An agent with a memory on disk: weights and `agent.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sfpipe.agents.agent import CARD, read_card
from sfpipe.agents.weights import read_weights
from sfpipe.belief.network import PlaceNetwork
from sfpipe.errors import SfpipeError
from sfpipe.params import BeliefFilterParams, override
from sfpipe.store.window import WINDOWS

SHAPE = ("score_steps", "sound_steps", "gains_db")  # parameters that decide the layers


def load_belief(
    folder: Path, device: str | torch.device = "cpu"
) -> tuple[PlaceNetwork, BeliefFilterParams, dict[str, Any]]:
    """Read an agent that the training with `algo: belief` wrote.

    Returns
    -------
    tuple
        The network, what it assumes of music, and its `agent.json`.

    Raises
    ------
    SfpipeError
        If a file is missing or damaged, or the weights do not fit the network.
    """
    remedy = "train one: sfpipe train, with algo: belief in params.yaml"
    card = read_card(folder)
    own = override(BeliefFilterParams(), **card.get("filter", {}))
    try:
        shape = {name: card["params"]["belief"][name] for name in SHAPE}
    except (KeyError, TypeError):
        raise SfpipeError(
            "does not say which layers its network has (params.belief)",
            file=folder / CARD,
            remedy="it is of an earlier version: use the agent as published now, or train one",
        ) from None
    network = PlaceNetwork(WINDOWS[card["window"]], **shape)
    read_weights(folder, network, remedy)
    return network.to(device).eval(), own, card
