"""Stage `train`: both stores -> weights, `agent.json`, learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sfpipe.agents.agent import find_agent, load_agent, read_card, save_agent
from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.weights import WEIGHTS
from sfpipe.belief.agent import SHAPE, load_belief
from sfpipe.belief.network import PlaceNetwork
from sfpipe.errors import SfpipeError
from sfpipe.files import sha256
from sfpipe.params import BeliefFilterParams, TrainParams
from sfpipe.store.reader import PerformanceRecord, strip_height
from sfpipe.store.records import StorePair
from sfpipe.store.window import Window
from sfpipe.training.a2c import A2C
from sfpipe.training.belief import BeliefLearner
from sfpipe.training.dagger import Dagger
from sfpipe.training.distributed import joined
from sfpipe.training.first_weights import standardise
from sfpipe.training.log import TrainingLog
from sfpipe.training.player import PlayingLearner
from sfpipe.training.ppo import PPO
from sfpipe.training.pretraining import Pretraining
from sfpipe.training.reinforce import Reinforce
from sfpipe.training.session import Session, data_hashes, open_session, run_training
from sfpipe.training.trainer import Phases, TrainerState

# All but that of agents with a memory, which learn from crops alone.
LEARNERS: dict[str, type[PlayingLearner]] = {
    kind.algo: kind for kind in (Pretraining, Dagger, Reinforce, A2C, PPO)
}


def train(
    params: TrainParams,
    scores: Path,
    spectrograms: Path,
    out: Path,
    *,
    algo: str,
    seed: int,
    curves: Path | None = None,
    events: Path | None = None,
    checkpoints: Path | None = None,
    also: Sequence[StorePair] = (),
) -> TrainerState:
    """Train an agent on the stores' training split; go on where an interrupted run stopped.

    Processes that ``torchrun`` started share the work (`sfpipe.training.distributed`); the first
    of them writes.

    Parameters
    ----------
    algo:
        ``reinforce``, ``a2c``, ``ppo``, ``dagger`` or ``belief``.
    out:
        Folder for `weights.safetensors` and `agent.json`.
    curves, events:
        Folders for DVCLive and TensorBoard; None writes none.
    checkpoints:
        Folder for checkpoints, one per (parameters, data); None never saves. The checkpoint is
        removed when the training has ended.
    also:
        The stores of `train.common.also`.

    Raises
    ------
    SfpipeError
        If a store cannot be read, a device is missing, the agent to start from does not fit, or
        the run is interrupted.
    """
    with joined(params.common.device) as processes:
        session = open_session(params.common, scores, spectrograms, also, processes)
        log = TrainingLog(curves, events) if processes.first else TrainingLog(None)
        stores = scores, spectrograms, also
        state = _train(params, session, stores, out, algo, seed, log, checkpoints)
        log.close()
    return state


def _train(
    params: TrainParams,
    session: Session,
    stores: tuple[Path, Path, Sequence[StorePair]],
    out: Path,
    algo: str,
    seed: int,
    log: TrainingLog,
    checkpoints: Path | None,
) -> TrainerState:
    """`train`, once it is known where."""
    scores, spectrograms, also = stores
    names, start = params.phases(algo), params.common.start_from
    identity: dict[str, Any] = {
        "algo": algo,
        "seed": seed,
        "window": session.window.name,
        "params": used_params(algo, params),
        "data": data_hashes(scores, spectrograms, also),
    }
    network = _new_network(algo, params, session.window, seed)
    if start:
        identity["start_from"] = _start_from(network, start, algo)
    card: dict[str, Any] = {}
    phases: Phases
    if isinstance(network, PlaceNetwork):
        network.to(session.device)
        valid = _some(session.validation, params.belief.validation_performances, seed)
        given = network, session.train_bank, session.scores, valid, params.belief
        phases = {algo: partial(BeliefLearner, *given, seed=seed, processes=session.processes)}
        # It decides how the agent plays, not what it learns.
        card = {"filter": BeliefFilterParams().model_dump(), "bfloat16": False}
    else:
        network.placed(session.device)
        banks = session.train_bank, session.valid_bank
        if params.common.standardise and not start:
            standardise(network, session.train_bank, torch.Generator().manual_seed(seed))
        options = {
            "seed": seed,
            "bfloat16": session.bfloat16,
            "processes": session.processes,
        }
        phases = playing_phases(names, network, *banks, params, **options)
    return run_training(
        phases,
        params.common,
        identity,
        checkpoints,
        shares=minute_shares(names, params),
        checkpoint_seconds=params.common.checkpoint_seconds,
        log=log,
        validate_first=bool(start),
        save=lambda state: save_agent(
            out, network, identity | training_facts(state, session, scores) | card
        ),
        processes=session.processes,
    )


def _new_network(
    algo: str, params: TrainParams, window: Window, seed: int
) -> ActorCritic | PlaceNetwork:
    """The network that `algo` trains, with its first weights."""
    if algo in LEARNERS:
        network = ActorCritic(window, dropout=params.common.dropout)
        network.initialise(torch.Generator().manual_seed(seed))
        return network
    torch.manual_seed(seed)  # layers draw their first weights from no other generator
    shape = {name: getattr(params.belief, name) for name in SHAPE}
    return PlaceNetwork(window, dropout=params.belief.dropout, **shape)


def _some(
    performances: list[PerformanceRecord], n: int | None, seed: int
) -> list[PerformanceRecord]:
    """`n` of them, drawn; all if it is None."""
    if n is None or n >= len(performances):
        return performances
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(performances), generator=generator)[:n]
    return [performances[i] for i in sorted(drawn.tolist())]


def playing_phases(
    names: list[str], network: ActorCritic, *arguments: Any, **options: Any
) -> Phases:
    """What makes the learner of each phase, by name; further arguments are the learners' own."""
    return {
        name: partial(LEARNERS[name], network, *arguments, phase=i, **options)
        for i, name in enumerate(names)
    }


def minute_shares(names: list[str], params: TrainParams) -> dict[str, float]:
    """When each phase ends, as a share of `max_minutes`.

    Pretraining has a share of its own, for its states cost less than frames of play; the others'
    times are as their frames. Phases have what is left where one of them has no limit.
    """
    own = params.pretraining.share_of_minutes
    left = 1 - own if "pretraining" in names else 1.0
    played = [name for name in names if name != "pretraining"]
    limits = {name: getattr(getattr(params, name), "max_frames", None) for name in played}
    frames = sum(limit or 0 for limit in limits.values())
    shares, end = {}, 0.0
    for name in names:
        if name == "pretraining":
            end = own
        elif None in limits.values():
            end = 1.0
        else:
            end += left * (limits[name] or 0) / max(frames, 1)
        shares[name] = end
    return shares


def used_params(algo: str, params: TrainParams) -> dict[str, Any]:
    """`TrainParams.used` without what is the machine's, or stands elsewhere in the card."""
    used = params.used(algo)
    for name in ("window", "device", "precision", "start_from"):
        del used["common"][name]
    return used


def training_facts(state: TrainerState, session: Session, scores: Path) -> dict[str, Any]:
    """What the card of any agent says of its training and of what it was trained on."""
    summary = {k: v for k, v in asdict(state).items() if k != "evaluations"}
    return {
        "pretraining_frames": state.pretraining_frames,
        "frames": state.frames,
        "hours": state.seconds / 3600,
        "validation_r_on": state.best["r_on"],
        **session.facts(),
        "strip_height_px": strip_height(scores),
        "state": summary,
        "curve": [
            [int(e["frames"]), round(e["minutes"], 2), round(e["validation_r_on"], 4)]
            for e in state.evaluations
        ],
    }


def _start_from(network: ActorCritic | PlaceNetwork, agent: str, algo: str) -> dict[str, Any]:
    """Give `network` an agent's weights; what a card says of the agent it began with.

    Raises
    ------
    SfpipeError
        If it is another kind of agent, or one with another window or shape.
    """
    folder = find_agent(agent)
    if (read_card(folder).get("algo", "ppo") in LEARNERS) != (algo in LEARNERS):
        raise SfpipeError(
            f"is another kind of agent than those of 'algo: {algo}'",
            file=folder,
            remedy="start from an agent of the same kind, or set another algo",
        )
    if isinstance(network, PlaceNetwork):
        memory, _, card = load_belief(folder)
        _require_window(folder, memory.window, network.window)
        _require_shape(folder, memory, network)
        network.begin_with(memory)
    else:
        other, card = load_agent(folder)
        _require_window(folder, other.window, network.window)
        network.load_state_dict(other.state_dict())
    return {
        # Its name, not its path, which means nothing on another machine.
        "agent": Path(agent).name,
        "weights": sha256(folder / WEIGHTS),
        "frames": card.get("frames"),
    }


def _require_shape(folder: Path, theirs: PlaceNetwork, ours: PlaceNetwork) -> None:
    """Refuse to start from an agent whose layers do not come first in the new network."""
    for kind in SHAPE:
        had, has = list(getattr(theirs, kind)), list(getattr(ours, kind))
        if has[: len(had)] != had:
            raise SfpipeError(
                f"has {kind} {had}, not {has}",
                file=folder,
                remedy=f"set train.belief.{kind} to its, or let more follow them",
            )


def _require_window(folder: Path, theirs: Window, ours: Window) -> None:
    """Refuse to start from an agent (of `folder`) that plays with another window."""
    if theirs != ours:
        raise SfpipeError(
            f"plays with the window {theirs.name}, not {ours.name}",
            file=folder,
            remedy="start from an agent for these strips, or set train.common.window",
        )
