"""A follower on the selected performance: the game it plays, and what its network says of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sfpipe.following.evaluation_set import EvaluationSet
from sfpipe.following.loaded import LoadedFollower
from sfpipe.following.registry import load_follower
from sfpipe.following.sources import Sources
from sfpipe.game.play import PlayedGame
from sfpipe.params import Params
from sfpipe.paths import Paths
from sfpipe.store.bank import Bank
from sfpipe.store.window import Window
from sfpipe.viewing.game_trace import GameTrace, read_out, trace_game
from sfpipe.viewing.select_performance import SelectedPerformance


@dataclass(frozen=True)
class ShownGame:
    """A follower and the game it played; `bank` holds this one performance."""

    follower: LoadedFollower
    bank: Bank
    game: PlayedGame
    trace: GameTrace


def play_selected(
    selected: SelectedPerformance,
    name: str | Path,
    params: Params,
    paths: Paths,
    *,
    deterministic: bool = False,
    sources: Sources | None = None,
) -> ShownGame:
    """Let a follower play the performance; an agent's network is read out in each state.

    `name` and `deterministic` are as for `load_follower`; `params` has what baselines need, and
    the seed of an agent's draws. `sources` are by default those of the performance's store.

    Raises
    ------
    SfpipeError
        If there is no such follower, or it cannot follow this piece.
    """
    follower = load_follower(
        name,
        sources or Sources.of(params, paths, selected.store),
        deterministic=deterministic,
        seed=params.seed,
        filter=params.evaluate.filter,
    )
    played = set_of_one(selected, follower.window)
    game = follower.play(played, quiet=True)[0]
    trace = trace_game(game, follower.label)
    if follower.network is not None:
        probabilities, value = read_out(follower.network, game, played.bank, 0)
        trace = replace(trace, probabilities=probabilities, value=value)
    return ShownGame(follower, played.bank, game, trace)


def set_of_one(selected: SelectedPerformance, window: Window) -> EvaluationSet:
    """The one performance as an evaluation set."""
    return EvaluationSet({selected.score.piece: selected.score}, [selected.performance], window)
