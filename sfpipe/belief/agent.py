"""An agent with a memory on disk: weights and `agent.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sfpipe.agents.agent import CARD, has_memory, read_card
from sfpipe.agents.weights import read_weights
from sfpipe.belief.network import PlaceNetwork
from sfpipe.errors import SfpipeError
from sfpipe.params import BeliefFilterParams, override
from sfpipe.store.window import WINDOWS

# Of agents whose card does not tell.
FIRST_SHAPE = {"score_steps": (1, 2), "sound_steps": (1, 2, 4, 8), "gains_db": (0.0,)}


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
        If a file is missing or damaged, it is another kind of agent, or the weights do not fit.
    """
    remedy = "train one: sfpipe train, with algo: belief in params.yaml"
    card = read_card(folder)
    if not has_memory(card):
        raise SfpipeError(
            f"is an agent without a memory (algo {card.get('algo')!r})",
            file=folder / CARD,
            remedy=remedy,
        )
    assumed = override(BeliefFilterParams(), **card.get("filter", {}))
    told = card.get("schedule", {})
    shape = {name: told.get(name, first) for name, first in FIRST_SHAPE.items()}
    network = PlaceNetwork(WINDOWS[card["window"]], **shape)
    read_weights(folder, network, remedy)
    return network.to(device).eval(), assumed, card
