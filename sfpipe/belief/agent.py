"""An agent with a memory on disk: weights and `agent.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from sfpipe.agents.agent import CARD, read_card
from sfpipe.agents.weights import read_weights
from sfpipe.belief.network import PlaceNetwork
from sfpipe.errors import SfpipeError
from sfpipe.params import BeliefFilterParams, BeliefParams
from sfpipe.store.window import WINDOWS

MOST_LAYERS = 100
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
    try:
        own = BeliefFilterParams.model_validate(card.get("filter", {}))
        shape = {name: card["params"]["belief"][name] for name in SHAPE}
        BeliefParams.model_validate(shape)
        if sum(map(len, shape.values())) > MOST_LAYERS:
            raise ValueError("too many layers")
    except ValidationError as error:
        first = error.errors()[0]
        raise SfpipeError(
            f"describes no agent ({'.'.join(map(str, first['loc']))}: {first['msg']})",
            file=folder / CARD,
            remedy=remedy,
        ) from None
    except (KeyError, TypeError, ValueError):
        raise SfpipeError(
            "does not say which layers its network has (params.belief)",
            file=folder / CARD,
            remedy="it is of an earlier version: use the agent as published now, or train one",
        ) from None
    network = PlaceNetwork(WINDOWS[card["window"]], **shape)
    read_weights(folder, network, remedy)
    return network.to(device).eval(), own, card
