"""An agent as it takes part in an evaluation, beside its argmax and the two yardsticks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sfpipe.agents.agent import agent_window, has_memory, load_agent, read_card
from sfpipe.agents.cached_policy import CachedPlayer, CachedPolicy
from sfpipe.agents.hardware import choose_bfloat16, choose_device, keep_memory
from sfpipe.agents.policy import Actor
from sfpipe.belief.agent import load_belief
from sfpipe.belief.network import PlaceNetwork
from sfpipe.following.agent import AgentFollower
from sfpipe.following.belief import BeliefEntrant, BeliefFollower
from sfpipe.following.entrants import Entrant, PlayerEntrant
from sfpipe.game.follower import Follower
from sfpipe.game.players import ConstantSpeed, Expert, Player, mean_speed
from sfpipe.params import BeliefFilterParams, EvaluateParams
from sfpipe.store.bank import Bank
from sfpipe.store.reader import strip_height
from sfpipe.store.window import Window


@dataclass(frozen=True)
class Examinee:
    """An agent that is evaluated.

    Attributes
    ----------
    card:
        Its `agent.json`.
    entrants:
        What takes part, by its name in eval.json: ``agent``, its argmax unless there is no chance
        in it, and the two yardsticks.
    follower:
        The agent without chance, frame by frame.
    policy:
        How ``agent`` chooses its moves: ``stochastic``, ``argmax`` or ``planned``.
    """

    card: dict[str, Any]
    window: Window
    device: torch.device
    entrants: dict[str, Entrant]
    follower: Follower
    policy: str


def load_examinee(params: EvaluateParams, agent: Path, scores: Path, seed: int) -> Examinee:
    """Read the agent in a folder, to compute where and as `params` say on the strips of a store.

    Raises
    ------
    SfpipeError
        If the agent or the store cannot be read, the agent is one for other strips, or the device
        is missing.
    """
    device = choose_device(params.device)
    keep_memory()
    if has_memory(read_card(agent)):
        return _believing(*load_belief(agent, device), device, agent, scores)
    network, card = load_agent(agent, device)
    window = agent_window(agent, card, strip_height(scores), file=scores)
    generator = torch.Generator(device).manual_seed(seed)
    actor = Actor(network, generator, choose_bfloat16(params.precision, device))
    entrants = agent_and_yardsticks(
        actor, deterministic=params.deterministic, px_per_frame=card.get("px_per_frame")
    )
    policy = "argmax" if params.deterministic else "stochastic"
    return Examinee(card, window, device, entrants, AgentFollower(network), policy)


def _believing(
    network: PlaceNetwork,
    assumed: BeliefFilterParams,
    card: dict[str, Any],
    device: torch.device,
    agent: Path,
    scores: Path,
) -> Examinee:
    """An agent with a memory: there is no chance in it, so it has no argmax of its own."""
    window = agent_window(agent, card, strip_height(scores), file=scores)
    entrants: dict[str, Entrant] = {"agent": BeliefEntrant("agent", network, assumed)}
    entrants |= yardsticks(card.get("px_per_frame"))
    return Examinee(card, window, device, entrants, BeliefFollower(network, assumed), "planned")


def agent_and_yardsticks(
    actor: Actor, *, deterministic: bool, px_per_frame: float | None
) -> dict[str, Entrant]:
    """An agent, its argmax, and the two yardsticks, by their names in eval.json.

    Parameters
    ----------
    deterministic:
        Whether ``agent`` takes the most probable action too, instead of drawing one.
    px_per_frame:
        Of the player at constant speed; None is the mean speed of what is played.
    """
    policy = _Policy(actor)

    def playing(most_probable: bool) -> Callable[[Bank], Player]:
        return lambda bank: CachedPlayer(policy.of(bank), bank, deterministic=most_probable)

    return {
        "agent": PlayerEntrant("agent", playing(deterministic), chance=not deterministic),
        "agent_argmax": PlayerEntrant("agent, argmax", playing(True)),
    } | yardsticks(px_per_frame)


def yardsticks(px_per_frame: float | None) -> dict[str, Entrant]:
    """The planner and the player at constant speed (`agent_and_yardsticks`)."""

    def constant(bank: Bank) -> Player:
        return ConstantSpeed(bank, px_per_frame or mean_speed(bank))

    return {
        "planner": PlayerEntrant("planner", Expert),
        "constant_speed": PlayerEntrant("constant speed", constant),
    }


class _Policy:
    """One sliding policy per bank: what it keeps serves the drawn and the argmax games."""

    def __init__(self, actor: Actor):
        self.actor = actor
        self.policy: tuple[Bank, CachedPolicy] | None = None

    def of(self, bank: Bank) -> CachedPolicy:
        if self.policy is None or self.policy[0] is not bank:
            self.policy = bank, CachedPolicy(self.actor, bank)
        return self.policy[1]
