"""Stage `evaluate`: stores and an agent -> metrics/eval.json, metrics/pieces.csv, plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sfpipe.agents.agent import load_agent
from sfpipe.agents.hardware import (
    choose_bfloat16,
    choose_device,
    keep_memory,
)
from sfpipe.agents.rollout import Actor
from sfpipe.agents.sliding import SlidingPlayer, SlidingPolicy
from sfpipe.evaluation.report import piece_lines, summary, write_evaluation
from sfpipe.game.play import PlayedGame, play_games
from sfpipe.game.players import ConstantSpeed, Planner, mean_speed
from sfpipe.params import EvaluateParams
from sfpipe.store.bank import Bank, load_bank
from sfpipe.store.window import window_by_name


def evaluate(
    params: EvaluateParams,
    scores: Path,
    spectrograms: Path,
    agent: Path,
    out: Path,
    *,
    seed: int,
    quiet: bool = False,
) -> dict[str, Any]:
    """Play every performance of a split with the agent, the planner and at constant speed.

    Parameters
    ----------
    agent:
        Folder of weights and `agent.json`.
    out:
        Folder of `eval.json`, `pieces.csv`, `plots/`.
    quiet:
        Do not print the pieces and the table.

    Returns
    -------
    dict
        The content of `eval.json`.

    Raises
    ------
    SfpipeError
        If a store or the agent cannot be read, or the split is empty.
    """
    device = choose_device(params.device)
    keep_memory()
    network, card = load_agent(agent, device)
    window = window_by_name(card["window"])
    bank = load_bank(scores, spectrograms, window, split=params.split, device=device)
    actor = Actor(
        network,
        torch.Generator(device).manual_seed(seed),
        choose_bfloat16(params.precision, device),
    )
    results = play_all(bank, actor, card.get("px_per_frame") or mean_speed(bank), params)
    meta = {
        "split": params.split,
        "algo": card.get("algo"),
        "window": window.name,
        "policy": "argmax" if params.deterministic else "stochastic",
        "agent_frames": card.get("frames"),
        "agent_hours": card.get("hours"),
    }
    written = write_evaluation(results, out_dir=out, meta=meta, seed=seed)
    if not quiet:
        print(piece_lines(results["agent"]))
        print(summary(written))
    return written


def play_all(
    bank: Bank, actor: Actor, px_per_frame: float, params: EvaluateParams
) -> dict[str, list[PlayedGame]]:
    """Games of the agent (headline policy first), its argmax, the planner, constant speed."""
    policy = SlidingPolicy(actor, bank)
    argmax = SlidingPlayer(policy, bank, deterministic=True)
    drawing = SlidingPlayer(policy, bank)
    headline = argmax if params.deterministic else drawing
    # Without chance every trial would be the same game.
    trials = 1 if params.deterministic else params.trials
    return {
        "agent": play_games(bank, headline, trials=trials, label="evaluate"),
        "agent_argmax": play_games(bank, argmax),
        "planner": play_games(bank, Planner(bank)),
        "constant_speed": play_games(bank, ConstantSpeed(bank, px_per_frame)),
    }
