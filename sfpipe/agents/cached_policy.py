"""A network's policy over whole scores and recordings: what neighbouring windows share, once.

An evaluation visits the same columns again in every trial. The sums that enter the joint layer are
kept, per column and frame one vector (`CachedBranch`). A window then costs two look-ups and the
heads, instead of 10 million multiplications (Table 1; 65 million in Table 2).
"""

from __future__ import annotations

import torch

from sfpipe.agents.agent import AgentPlayer
from sfpipe.agents.dense_conv import CachedBranch, frozen, joint_parts
from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.policy import Actor
from sfpipe.game import dynamics
from sfpipe.game.dynamics import GameState, Observation, ObservationIndex
from sfpipe.game.players import Player
from sfpipe.store.bank import Bank
from sfpipe.store.schema import EXCERPT


class CachedPolicy:
    """The logits of an actor, for games of one bank: equal to a forward pass but for rounding.

    Holds for the weights the network has now; make another after training on.
    """

    def __init__(self, actor: Actor, bank: Bank, **options: int):
        network = actor.network
        assert isinstance(network, ActorCritic)
        self.actor = actor
        self.dtype = torch.bfloat16 if actor.bfloat16 else torch.float32
        score, audio, self.bias = joint_parts(network)
        self.activation, self.policy = network.joint[1], frozen(network.policy, self.dtype)
        self.score = CachedBranch(
            network.score,
            score,
            bank.strip,
            1 / 255,
            network.window.image_shape,
            self.dtype,
            **options,
        )
        rows = bank.spectrogram.shape[0]
        self.audio = CachedBranch(
            network.spectrogram,
            audio,
            bank.spectrogram,
            1.0,
            (rows, EXCERPT),
            self.dtype,
            **options,
        )

    @torch.no_grad()
    def logits(self, at: ObservationIndex) -> torch.Tensor:
        """Logits float32 [shape=(n, 3)] of the states whose observations lie at `at`."""
        score = self.score(at.column, at.previous_column)
        audio = self.audio(at.frame - EXCERPT, at.previous_frame - EXCERPT)
        embedding = self.activation((score + audio + self.bias).to(self.dtype))
        return self.policy(embedding).float()


class CachedPlayer(AgentPlayer):
    """An `AgentPlayer` that looks up what a cached policy keeps, and needs no observations."""

    needs_observation = False

    def __init__(self, policy: CachedPolicy, bank: Bank, *, deterministic: bool = False):
        super().__init__(policy.actor, deterministic=deterministic)
        self.policy, self.bank = policy, bank

    def logits(self, state: GameState, observation: Observation | None) -> torch.Tensor:
        """Logits of the three actions, float32 [shape=(n, 3)]."""
        return self.policy.logits(dynamics.observation_index(self.bank, state))


def playing(actor: Actor, bank: Bank) -> Player:
    """A player with the actor's present weights, by the quickest way there is for its network."""
    if isinstance(actor.network, ActorCritic):
        return CachedPlayer(CachedPolicy(actor, bank), bank)
    return AgentPlayer(actor)
