"""An agent and the performances it plays: the states it visits, what its network makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sfpipe.agents.agent import AgentPlayer
from sfpipe.agents.cached_policy import CachedPlayer, CachedPolicy
from sfpipe.agents.policy import Actor
from sfpipe.errors import SfpipeError
from sfpipe.following.registry import load_follower
from sfpipe.following.sources import Sources
from sfpipe.game import dynamics
from sfpipe.game.dynamics import GameState, Observation
from sfpipe.game.play import PlayedGame, play_games
from sfpipe.game.players import Player
from sfpipe.store.bank import Bank, load_bank


@dataclass(frozen=True)
class AgentOnBank:
    """An agent and the performances it plays; computes in float32."""

    actor: Actor
    bank: Bank

    def player(self, *, deterministic: bool = False) -> AgentPlayer:
        """The agent as a player of the bank's games."""
        policy = CachedPolicy(self.actor, self.bank)
        return CachedPlayer(policy, self.bank, deterministic=deterministic)

    def performance(self, piece: str | None, seed: int) -> int:
        """Index of the first performance of `piece`, or of one drawn with `seed`.

        Raises
        ------
        SfpipeError
            If the bank does not have the piece.
        """
        pieces = sorted({info.piece for info in self.bank.infos})
        if piece is None:
            piece = pieces[int(np.random.default_rng(seed).integers(len(pieces)))]
        for index, info in enumerate(self.bank.infos):
            if info.piece == piece:
                return index
        raise SfpipeError(f"no piece '{piece}'", remedy="list the pieces: sfpipe inspect FILE")


@dataclass(frozen=True)
class NetworkOutputs:
    """What the network makes of n states.

    Attributes
    ----------
    embedding:
        float32 [shape=(n, 256)] (Table 1) or [shape=(n, 512)] (Table 2), the joint layer's output.
    probability:
        float32 [shape=(n, 3)], of the actions -1, 0, +1 px/frame.
    value:
        float32 [shape=(n,)], discounted reward expected.
    """

    embedding: np.ndarray
    probability: np.ndarray
    value: np.ndarray


def load_agent_on_bank(
    agent: str | Path,
    scores: Path,
    spectrograms: Path,
    *,
    split: str | None = None,
    piece: str | None = None,
    seed: int = 0,
) -> AgentOnBank:
    """Read an agent and the stores it plays on (one piece, whatever its split, or a split).

    Raises
    ------
    SfpipeError
        If the agent or a store cannot be read, the agent is one for other strips, or the piece or
        the split is empty.
    """
    follower = load_follower(agent, Sources(scores, spectrograms), seed=seed)
    if follower.network is None:
        raise SfpipeError(
            f"'{follower.name}' is no network of Tables 1 and 2, which alone can be looked into",
            remedy="name another agent; evaluate, watch, page and play take this one too",
        )
    only = None if piece is None else [piece]
    window = follower.window
    bank = load_bank(scores, spectrograms, window, split=None if piece else split, pieces=only)
    return AgentOnBank(Actor(follower.network, torch.Generator().manual_seed(seed)), bank)


class Recorder:
    """Plays as another player does, and keeps every state that it is asked about."""

    def __init__(self, player: Player):
        self.player = player
        self.needs_observation = player.needs_observation
        self._states: list[GameState] = []
        self._actions: list[torch.Tensor] = []

    def act(self, state: GameState, observation: Observation | None) -> torch.Tensor:
        """The player's own action."""
        action = self.player.act(state, observation)
        self._states.append(state)
        self._actions.append(action)
        return action

    @property
    def states(self) -> GameState:
        """All states so far [shape=(n,) each], sorted by performance and frame."""
        state = GameState(*(torch.cat(field) for field in zip(*self._states, strict=True)))
        return dynamics.select(state, self._order)

    @property
    def actions(self) -> torch.Tensor:
        """The action in each of `states`, px/frame, float64 [shape=(n,)]."""
        return torch.cat(self._actions)[self._order]

    @property
    def _order(self) -> torch.Tensor:
        performance = torch.cat([state.performance for state in self._states])
        frame = torch.cat([state.frame for state in self._states])
        return (performance * (int(frame.max()) + 1) + frame).argsort()


def visit(
    played: AgentOnBank, *, deterministic: bool = False, performances: list[int] | None = None
) -> tuple[GameState, list[PlayedGame]]:
    """Play every performance (or some) once; the states in which the agent chose, and the games."""
    recorder = Recorder(played.player(deterministic=deterministic))
    games = play_games(played.bank, recorder, performances=performances)
    return recorder.states, games


@torch.no_grad()
def evaluate_states(played: AgentOnBank, state: GameState, *, batch: int = 1024) -> NetworkOutputs:
    """Embeddings, policies and values of states, float32 whatever the agent plays in."""
    network = played.actor.network.eval()
    columns: list[tuple[torch.Tensor, ...]] = []
    for some in torch.arange(len(state.frame)).split(batch):
        at = dynamics.observation_index(played.bank, dynamics.select(state, some))
        embedding = network.join(*played.actor.features(played.actor.observe(played.bank, at)))
        logits, value = network.heads(embedding)
        columns.append((embedding, logits.softmax(1), value))
    parts = (torch.cat(column).float().cpu().numpy() for column in zip(*columns, strict=True))
    return NetworkOutputs(*parts)


def error_px(bank: Bank, state: GameState) -> np.ndarray:
    """Tracking error of states, position - target in px, float64 [shape=(n,)]."""
    target = dynamics.target(bank, state.performance, state.frame)
    return (state.position - target).cpu().numpy()
