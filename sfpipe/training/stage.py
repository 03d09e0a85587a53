"""Stage `train`, whatever the agent: one of the paper's networks, or one with a memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sfpipe.agents.agent import WITH_MEMORY
from sfpipe.params import TrainParams
from sfpipe.training.agent_stage import train as train_network
from sfpipe.training.belief_stage import train_belief


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
) -> None:
    """Train an agent on the stores' training split; go on where an interrupted run stopped.

    Parameters
    ----------
    algo:
        ``reinforce``, ``a2c``, ``ppo``, ``dagger`` or ``belief``.
    out:
        Folder for `weights.safetensors` and `agent.json`.
    curves, events:
        Folders for DVCLive and TensorBoard; None writes none.
    checkpoints:
        Folder for checkpoints, one per (parameters, data); None never saves.

    Raises
    ------
    SfpipeError
        As `sfpipe.training.agent_stage.train`.
    """
    if algo == WITH_MEMORY:
        learn: Callable[..., object] = train_belief
    else:
        learn = partial(train_network, algo=algo)
    logs = {"curves": curves, "events": events, "checkpoints": checkpoints}
    learn(params, scores, spectrograms, out, seed=seed, **logs)
