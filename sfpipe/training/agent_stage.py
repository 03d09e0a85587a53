"""Stage `train`: both stores -> weights, `agent.json`, learning curves."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch

from sfpipe.agents.agent import find_agent, load_agent, save_agent
from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.weights import WEIGHTS
from sfpipe.errors import SfpipeError
from sfpipe.files import sha256
from sfpipe.params import TrainParams
from sfpipe.store.reader import strip_height
from sfpipe.store.window import Window
from sfpipe.training.checkpoint import fingerprint, remove_checkpoint
from sfpipe.training.log import TrainingLog
from sfpipe.training.session import Session, open_session, stop_signals
from sfpipe.training.trainer import Course, Trainer


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
) -> Course:
    """Train an agent on the stores' training split; go on where an interrupted run stopped.

    Parameters
    ----------
    out:
        Folder for `weights.safetensors` and `agent.json`.
    curves, events:
        Folders for DVCLive and TensorBoard; None writes none.
    checkpoints:
        Folder for checkpoints, one per (parameters, data); None never saves. The checkpoint is
        removed when the training has ended.

    Raises
    ------
    SfpipeError
        If a store cannot be read, a device is missing, the agent to start from does not fit, or
        the run is interrupted.
    """
    session = open_session(params, scores, spectrograms)
    schedule = params.chosen
    identity: dict[str, Any] = {
        "algo": algo,
        "seed": seed,
        "window": session.window.name,
        "schedule": schedule.model_dump(),
        "data": {"scores": sha256(scores), "spectrograms": sha256(spectrograms)},
    }
    network = ActorCritic(session.window, dropout=schedule.dropout)
    network.initialise(torch.Generator().manual_seed(seed))
    if params.start_from:
        identity["start_from"] = _begin_with(network, params.start_from)
    checkpoint = checkpoints / f"{fingerprint(identity)}.pt" if checkpoints else None
    network.placed(session.device)
    log = TrainingLog(curves, events)
    with stop_signals() as stop:
        trainer = Trainer(
            network,
            session.train_bank,
            session.valid_bank,
            algo=algo,
            schedule=schedule,
            seed=seed,
            bfloat16=session.bfloat16,
            checkpoint=checkpoint,
            checkpoint_seconds=params.checkpoint_seconds,
            log=log,
            should_stop=lambda: bool(stop),
            judge_start=bool(params.start_from),
        )
        course = trainer.run()
    log.close()
    card = {**identity, "studied": course.studied, **training_facts(course, session, scores)}
    save_agent(out, network, card)
    if checkpoint:
        remove_checkpoint(checkpoint)
    return course


class AnyCourse(Protocol):
    """Where a training stands, as `Course` is for agents of the paper's kind."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    frames: int
    seconds: float
    best: float
    evaluations: list[dict[str, float]]


def training_facts(course: AnyCourse, session: Session, scores: Path) -> dict[str, Any]:
    """What the card of any agent says of its training and of what it was trained on."""
    summary = {k: v for k, v in asdict(course).items() if k != "evaluations"}
    return {
        "frames": course.frames,
        "hours": course.seconds / 3600,
        "validation_r_on": course.best,
        **session.facts(),
        "strip_height_px": strip_height(scores),
        "px_per_frame": mean_training_speed(session.train_bank),
        "course": summary,
        "curve": [
            [int(e["frames"]), round(e["minutes"], 2), round(e["validation_r_on"], 4)]
            for e in course.evaluations
        ],
    }


def _begin_with(network: ActorCritic, agent: str) -> dict[str, Any]:
    """Give `network` an agent's weights; says whose they are."""
    folder = find_agent(agent)
    other, card = load_agent(folder)
    require_window(folder, other.window, network.window)
    network.load_state_dict(other.state_dict())
    return origin(agent, folder, card)


def require_window(folder: Path, theirs: Window, ours: Window) -> None:
    """Refuse to start from an agent (of `folder`) that plays with another window.

    Raises
    ------
    SfpipeError
        If it does.
    """
    if theirs != ours:
        raise SfpipeError(
            f"plays with the window {theirs.name}, not {ours.name}",
            file=folder,
            remedy="start from an agent for these strips, or set train.window",
        )


def origin(agent: str, folder: Path, card: dict[str, Any]) -> dict[str, Any]:
    """What a card says of the agent that a training began with."""
    # Its name, not its path, which means nothing on another machine.
    return {
        "agent": Path(agent).name,
        "weights": sha256(folder / WEIGHTS),
        "frames": card.get("frames"),
    }


def mean_training_speed(bank: Any) -> float:
    """Mean speed of the target in training, px/frame: what the constant-speed player uses."""
    from sfpipe.game.players import mean_speed

    return mean_speed(bank)
