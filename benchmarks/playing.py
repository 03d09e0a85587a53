"""The play that games are measured with: what the planner does, replayed, so that games last."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks import reference_style as reference
from benchmarks.table import Work
from sfpipe.game.batched import BatchedGame
from sfpipe.game.play import play_games
from sfpipe.game.players import Expert
from sfpipe.store.bank import Bank


class Plan:
    """Actions of a game of the first performance played well: it lasts to its end."""

    def __init__(self, bank: Bank):
        game = play_games(bank, Expert(bank), performances=[0])[0]
        speed = np.diff(np.concatenate([[game.onset_x_px[0]], game.position_px]))
        change = np.diff(np.concatenate([[0.0], speed]))
        self.actions = (change.round() + 1).clip(0, 2).astype(int).tolist()


def single(reset: Callable, step: Callable[[int], bool], plan: Plan) -> Work:
    """Play one game after the other."""

    def play() -> float:
        reset()
        for n, action in enumerate(plan.actions):
            if step(action):
                return n + 1
        return len(plan.actions)

    return play


def eight(processes: reference.ProcessGames, plan: Plan) -> Work:
    """Twenty steps of all processes, each somewhere else in the piece of the plan."""
    processes.reset()
    apart = len(plan.actions) // processes.n
    at = np.arange(processes.n) * -apart  # games that wait for their turn do not move
    actions = np.array(plan.actions)

    def step() -> None:
        _, _, over = processes.step(np.where(at < 0, 1, actions[at.clip(0) % len(actions)]))
        at[:] = np.where(over, 0, at + 1)

    for _ in range(len(actions)):
        step()

    def play() -> float:
        for _ in range(20):
            step()
        return 20 * processes.n

    return play


def many(game: BatchedGame) -> Work:
    """Ten steps of all games, observed; again and again what the planner did in the first 200."""
    planner, begin, plan = Expert(game.bank), game.state_dict(), []
    for _ in range(200):
        plan.append(planner.act(game.state, None))
        game.step(plan[-1])
    game.load_state_dict(begin)
    at = 0

    def play() -> float:
        nonlocal at
        for _ in range(10):
            if at == len(plan):
                game.load_state_dict(begin)
                at = 0
            game.observe()
            game.step(plan[at])
            at += 1
        return 10 * game.n_games

    return play
