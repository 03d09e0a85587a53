"""An agent as it takes part in an evaluation, beside its argmax and the two yardsticks."""

from __future__ import annotations

from collections.abc import Callable

from sfpipe.agents.rollout import Actor
from sfpipe.agents.sliding import SlidingPlayer, SlidingPolicy
from sfpipe.evaluation.entrants import Entrant, PlayerEntrant
from sfpipe.game.players import ConstantSpeed, Planner, Player, mean_speed
from sfpipe.store.bank import Bank


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
        return lambda bank: SlidingPlayer(policy.of(bank), bank, deterministic=most_probable)

    def constant(bank: Bank) -> Player:
        return ConstantSpeed(bank, px_per_frame or mean_speed(bank))

    return {
        "agent": PlayerEntrant("agent", playing(deterministic), chance=not deterministic),
        "agent_argmax": PlayerEntrant("agent, argmax", playing(True)),
        "planner": PlayerEntrant("planner", Planner),
        "constant_speed": PlayerEntrant("constant speed", constant),
    }


class _Policy:
    """One sliding policy per bank: what it keeps serves the drawn and the argmax games."""

    def __init__(self, actor: Actor):
        self.actor = actor
        self.policy: tuple[Bank, SlidingPolicy] | None = None

    def of(self, bank: Bank) -> SlidingPolicy:
        if self.policy is None or self.policy[0] is not bank:
            self.policy = bank, SlidingPolicy(self.actor, bank)
        return self.policy[1]
