"""A trained agent on disk (weights and `agent.json`) and as a player."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ConfigDict, with_config
from torch import nn
from typing_extensions import TypedDict

from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.policy import Actor
from sfpipe.agents.weights import read_weights, write_weights
from sfpipe.errors import SfpipeError
from sfpipe.files import read_json, write_json
from sfpipe.game.dynamics import GameState, Observation
from sfpipe.store.window import WINDOWS, Window, window_by_name, window_for

CARD = "agent.json"
PRETRAINED = Path("models/pretrained")
# Those that the package brings along: in a clone, links to `PRETRAINED`.
PACKAGED = Path(__file__).parents[1] / "pretrained"


@with_config(ConfigDict(extra="allow", strict=True))
class AgentCard(TypedDict, total=False):
    """Content of an `agent.json`, of which not all is there before an agent is published."""

    algo: str
    window: str
    seed: int
    params: dict[str, Any]
    filter: dict[str, Any]
    data: dict[str, str]
    frames: int
    pretraining_frames: int
    hours: float
    training_pieces: int
    training_performances: int
    augmented_performances: int
    augment: dict[str, float | list[float]] | None
    device: str
    bfloat16: bool
    versions: dict[str, str]
    revision: str | None
    strip_height_px: int | None
    start_from: dict[str, str | int] | None
    float32: dict[str, Any]


class AgentPlayer:
    """Plays with an actor's policy.

    Parameters
    ----------
    deterministic:
        Take the most probable action instead of drawing one.
    """

    needs_observation = True

    def __init__(self, actor: Actor, *, deterministic: bool = False):
        self.actor, self.deterministic = actor, deterministic

    @torch.no_grad()
    def act(self, state: GameState, observation: Observation | None) -> torch.Tensor:
        """Change of speed in px/frame, float64 [shape=(n,)]."""
        logits = self.logits(state, observation)
        action = logits.argmax(1) if self.deterministic else self.actor.sample(logits)
        return (action - 1).to(torch.float64)

    @torch.no_grad()
    def choose(
        self, state: GameState, observation: Observation | None, chance: torch.Tensor
    ) -> torch.Tensor:
        """As `act`; `chance`, float32 [shape=(n,)] in [0, 1), takes the place of the draws."""
        logits = self.logits(state, observation)
        action = logits.argmax(1) if self.deterministic else self.actor.choose(logits, chance)
        return (action - 1).to(torch.float64)

    def logits(self, state: GameState, observation: Observation | None) -> torch.Tensor:
        """Logits of the three actions, float32 [shape=(n, 3)]."""
        assert observation is not None
        self.actor.network.eval()
        return self.actor.forward(observation)[0]


def find_agent(agent: str | Path, pretrained: Path = PRETRAINED) -> Path:
    """The folder of an agent: itself if it is one, else the pretrained agent of that name."""
    if Path(agent).exists():
        return Path(agent)
    folders = [folder / agent for folder in (pretrained, PACKAGED)]
    return next((folder for folder in folders if folder.exists()), Path(agent))


def published_agents() -> list[str]:
    """Names that `find_agent` knows, sorted."""
    cards = [card for folder in (PRETRAINED, PACKAGED) for card in folder.glob(f"*/{CARD}")]
    return sorted({card.parent.name for card in cards})


def _how_to_get(folder: Path) -> str:
    """What to do about an agent that is not there or damaged."""
    names = published_agents()
    near = difflib.get_close_matches(folder.name, names, n=1)
    if near and not folder.exists():
        return f"did you mean '{near[0]}'? Published: {', '.join(names)}"
    return "train an agent first: dvc repro train"


def agent_window(
    folder: Path, card: Mapping[str, Any], strip_height_px: int, *, file: Path
) -> Window:
    """The window of an agent, which must be meant for the strips that it is to read.

    It is if ``train.window: auto`` chooses it for such strips, or if the agent was trained on such
    strips (its `strip_height_px`), whatever window it has.

    Parameters
    ----------
    strip_height_px:
        As `sfpipe.store.reader.strip_height` says.
    file:
        Where the strips are from.

    Raises
    ------
    SfpipeError
        If the agent is one for other strips.
    """
    window, meant = window_by_name(card["window"]), window_for(strip_height_px)
    known = card.get("strip_height_px")  # of agents before it was recorded: as auto would have it
    if window == meant or (known is not None and window_for(known) == meant):
        return window
    raise SfpipeError(
        f"agent '{folder.name}' sees {window.height} x {window.width} px (window {window.name}),"
        f" but strips {strip_height_px} px high are for the window {meant.name}"
        f" ({meant.height} x {meant.width} px)",
        file=file,
        remedy=f"name an agent with the window {meant.name}, or train one on such strips",
    )


def save_agent(folder: Path, network: nn.Module, card: dict[str, Any]) -> None:
    """Write `weights.safetensors` and `agent.json` into `folder`."""
    write_weights(folder, network)
    write_json(folder / CARD, card)


def read_card(folder: Path) -> dict[str, Any]:
    """The `agent.json` of an agent.

    Raises
    ------
    SfpipeError
        If it is missing or damaged, or names no window.
    """
    remedy = _how_to_get(folder)
    card = dict(read_json(folder / CARD, remedy=remedy, schema=AgentCard))
    if "schedule" in card:
        raise SfpipeError(
            "is of an earlier version (key 'schedule': it is 'params' now, with other names in it)",
            file=folder / CARD,
            remedy="use the agent as published now, or train one",
        )
    name = card.get("window")
    if name not in WINDOWS:
        raise SfpipeError(
            f"names no window (it is {name!r}, expected one of {', '.join(WINDOWS)})",
            file=folder / CARD,
            remedy=remedy,
        )
    return card


def load_agent(
    folder: str | Path, device: str | torch.device = "cpu"
) -> tuple[ActorCritic, dict[str, Any]]:
    """Read an agent that is a network of Tables 1 and 2; `load_follower` reads those of any kind.

    Raises
    ------
    SfpipeError
        If a file is missing or damaged, or the weights do not fit the network.
    """
    folder = Path(folder)
    card = read_card(folder)
    network = ActorCritic(WINDOWS[card["window"]])
    read_weights(folder, network, _how_to_get(folder))
    return network.placed(device).eval(), card
