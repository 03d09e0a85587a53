"""Who is looked at: agents and players by name, and the games they play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sfpipe.agents.agent import (
    AgentPlayer,
    agent_window,
    find_agent,
    has_memory,
    load_agent,
    read_card,
)
from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.policy import Actor
from sfpipe.belief.agent import load_belief
from sfpipe.errors import SfpipeError
from sfpipe.following.belief import BeliefFollower
from sfpipe.following.registry import Sources, find_baseline
from sfpipe.game.follower import follow
from sfpipe.game.play import PlayedGame, play_games
from sfpipe.game.players import ConstantSpeed, Expert, Player
from sfpipe.params import Params
from sfpipe.paths import Paths
from sfpipe.store.bank import Bank
from sfpipe.store.reader import open_store
from sfpipe.store.schema import FPS
from sfpipe.store.window import Window, window_for
from sfpipe.viewing.game_trace import Track, read_out, track
from sfpipe.viewing.select_performance import Shown

TRAINED = "models/agent"
PLAYERS = {"optimal": "optimal player", "constant": "constant speed"}


@dataclass(frozen=True)
class Entry:
    """Who is to follow.

    Attributes
    ----------
    kind:
        ``agent`` (folder, or name of a pretrained one), ``baseline`` or ``player``.
    """

    kind: str
    name: str

    @property
    def label(self) -> str:
        """A word for file names."""
        return Path(self.name).name


def entries(
    *, agents: Sequence[str] = (), baselines: Sequence[str] = (), players: Sequence[str] = ()
) -> list[Entry]:
    """All who are named; if nobody is, the agent that `train` wrote."""
    named = [Entry("agent", name) for name in agents]
    named += [Entry("baseline", name) for name in baselines]
    named += [Entry("player", name) for name in players]
    return named or [Entry("agent", TRAINED)]


def one_entry(
    *, agent: str | None = None, baseline: str | None = None, player: str | None = None
) -> Entry:
    """The one who is named; if nobody is, the agent that `train` wrote.

    Raises
    ------
    SfpipeError
        If several are named.
    """
    named = {"agents": agent, "baselines": baseline, "players": player}
    found = entries(**{kind: [name] for kind, name in named.items() if name is not None})
    if len(found) > 1:
        raise SfpipeError(
            "a film shows one follower", remedy="name one, or show several with `sfpipe page`"
        )
    return found[0]


@dataclass(frozen=True)
class Contestant:
    """A follower and the game it played.

    Attributes
    ----------
    bank:
        Of the one performance.
    network:
        If it is an agent.
    """

    bank: Bank
    game: PlayedGame
    track: Track
    network: ActorCritic | None = None


def play(
    shown: Shown, entry: Entry, params: Params, paths: Paths, *, deterministic: bool = False
) -> Contestant:
    """Let an entry play the performance.

    Parameters
    ----------
    params:
        Of baselines, and the seed of an agent's draws.
    deterministic:
        An agent takes its most probable action instead of drawing one.

    Raises
    ------
    SfpipeError
        If there is no such agent, baseline or player, or it cannot play this piece.
    """
    if entry.kind == "agent":
        folder = find_agent(Path(entry.name))
        return play_agent(shown, folder, deterministic=deterministic, seed=params.seed)
    if entry.kind == "baseline":
        return play_baseline(shown, entry.name, params, paths)
    return play_player(shown, entry.name, paths)


def window_of(shown: Shown) -> Window:
    """The highest window that fits into the strip."""
    return window_for(shown.score.strip.shape[0])


def bank_of(shown: Shown, window: Window) -> Bank:
    """A bank of the one performance."""
    return Bank({shown.score.piece: shown.score}, [shown.performance], window)


def play_agent(
    shown: Shown, folder: Path, *, deterministic: bool = False, seed: int = 0
) -> Contestant:
    """Let an agent play, and read its network out in each state.

    Raises
    ------
    SfpipeError
        If the agent cannot be read, or it is one for other strips.
    """
    height = shown.score.strip.shape[0]
    if has_memory(read_card(folder)):
        believing, assumed, card = load_belief(folder)
        bank = bank_of(shown, agent_window(folder, card, height, file=shown.store))
        follower = BeliefFollower(believing, assumed)
        game = follow(follower, shown.score, shown.performance, bank.window)
        return Contestant(bank, game, track(game, folder.name))
    network, card = load_agent(folder)
    bank = bank_of(shown, agent_window(folder, card, height, file=shown.store))
    actor = Actor(network, torch.Generator().manual_seed(seed))
    game = play_games(bank, AgentPlayer(actor, deterministic=deterministic))[0]
    probabilities, value = read_out(network, game, bank, 0)
    seen = replace(track(game, folder.name), probabilities=probabilities, value=value)
    return Contestant(bank, game, seen, network)


def play_baseline(shown: Shown, name: str, params: Params, paths: Paths) -> Contestant:
    """Let a baseline follow.

    Raises
    ------
    SfpipeError
        If there is no such baseline, or what it needs is missing.
    """
    found = find_baseline(name)
    files = (paths.scores, paths.spectrograms, paths.engraved)
    follower = found.build(Sources(*files, params.baselines, params.synthesize))
    bank = bank_of(shown, window_of(shown))
    game = follow(follower, shown.score, shown.performance, bank.window)
    return Contestant(bank, game, track(game, found.label))


def play_player(shown: Shown, name: str, paths: Paths) -> Contestant:
    """Let one of `PLAYERS` play.

    Raises
    ------
    SfpipeError
        If there is no such player.
    """
    if name not in PLAYERS:
        raise SfpipeError(f"unknown player '{name}'", remedy=f"use one of {', '.join(PLAYERS)}")
    bank = bank_of(shown, window_of(shown))
    player: Player = (
        Expert(bank)
        if name == "optimal"
        else ConstantSpeed(bank, training_speed(paths.scores, shown.store))
    )
    game = play_games(bank, player)[0]
    return Contestant(bank, game, track(game, PLAYERS[name]))


def training_speed(scores: Path, performances: Path) -> float:
    """Mean speed of the target over the training performances, px/frame (no spectrogram is read).

    A data set without training pieces is taken as a whole.

    Raises
    ------
    SfpipeError
        If a store cannot be read.
    """
    places: dict[str, np.ndarray] = {}
    with open_store(scores, "scores") as file:
        for piece, group in file.items():
            places[piece] = np.asarray(group["onset_x_px"])
    covered: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    with open_store(performances, "spectrograms") as file:
        for piece, group in file.items():
            for sub in group.values() if piece in places else ():
                way = _way(sub, places[piece])
                covered[group.attrs["split"] == "train"].append(way)
    ways = np.array(covered[True] or covered[False])
    return float(ways[:, 0].sum() / ways[:, 1].sum()) if len(ways) else 0.0


def _way(group: Any, x: np.ndarray) -> tuple[float, float]:
    """Distance in px and frames from a performance's first onset to its last."""
    onset_s, index = group["onset_s"], group["score_onset"]
    first, last = (int(np.floor(onset_s[i] * FPS + 1e-9)) for i in (0, -1))
    return abs(float(x[index[-1]]) - float(x[index[0]])), max(last - first, 1)
