"""Stage `train` with `algo: belief`: both stores -> weights, `agent.json`, learning curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sfpipe.agents.agent import WITH_MEMORY, find_agent, save_agent
from sfpipe.belief.agent import FIRST_SHAPE, load_belief
from sfpipe.belief.network import PlaceNetwork
from sfpipe.errors import SfpipeError
from sfpipe.files import sha256
from sfpipe.params import TrainParams
from sfpipe.store.records import load_records
from sfpipe.training.agent_stage import origin, require_window, training_facts
from sfpipe.training.belief import BeliefCourse, BeliefTraining
from sfpipe.training.checkpoint import fingerprint, remove_checkpoint
from sfpipe.training.log import TrainingLog
from sfpipe.training.session import open_session, stop_signals


def train_belief(
    params: TrainParams,
    scores: Path,
    spectrograms: Path,
    out: Path,
    *,
    seed: int,
    curves: Path | None = None,
    events: Path | None = None,
    checkpoints: Path | None = None,
) -> BeliefCourse:
    """Train an agent with a memory; arguments and errors: `sfpipe.training.agent_stage.train`."""
    session = open_session(params, scores, spectrograms)
    window, p = session.window, params.belief
    strips, validation = load_records(scores, spectrograms, window, split="valid")
    identity: dict[str, Any] = {
        "algo": WITH_MEMORY,
        "seed": seed,
        "window": window.name,
        "schedule": p.model_dump(exclude={"filter"}),
        "data": {"scores": sha256(scores), "spectrograms": sha256(spectrograms)},
    }
    torch.manual_seed(seed)  # layers draw their first weights from no other generator
    network = PlaceNetwork(
        window, dropout=p.dropout, **{name: getattr(p, name) for name in FIRST_SHAPE}
    )
    if params.start_from:
        identity["start_from"] = _begin_with(network, params.start_from)
    network.to(session.device)
    checkpoint = checkpoints / f"{fingerprint(identity)}.pt" if checkpoints else None
    log = TrainingLog(curves, events)
    with stop_signals() as stop:
        course = BeliefTraining(
            network,
            session.train_bank,
            strips,
            validation,
            p,
            seed=seed,
            checkpoint=checkpoint,
            checkpoint_seconds=params.checkpoint_seconds,
            log=log,
            should_stop=lambda: bool(stop),
        ).run()
    log.close()
    card = {
        **identity,
        "filter": p.filter.model_dump(),  # it decides how the agent plays, not what it learns
        **training_facts(course, session, scores),
        "bfloat16": False,
    }
    save_agent(out, network, card)
    if checkpoint:
        remove_checkpoint(checkpoint)
    return course


def _begin_with(network: PlaceNetwork, agent: str) -> dict[str, Any]:
    """Give `network` an agent's weights; says whose they are.

    Raises
    ------
    SfpipeError
        If it is no agent with a memory, of another window, or of another shape.
    """
    folder = find_agent(agent)
    other, _, card = load_belief(folder)
    require_window(folder, other.window, network.window)
    for kind in FIRST_SHAPE:
        theirs, ours = list(getattr(other, kind)), list(getattr(network, kind))
        if ours[: len(theirs)] != theirs:
            raise SfpipeError(
                f"has {kind} {theirs}, not {ours}",
                file=folder,
                remedy=f"set train.belief.{kind} to its, or let more follow them",
            )
    network.begin_with(other)
    return origin(agent, folder, card)
