"""Training, and publishing what was trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from sfpipe.commands.options import DataSet, Packed, in_group

command = in_group("train")


@command()
def train_params(data: DataSet) -> None:
    """List what a training uses: models/train-params.json."""
    from sfpipe.params.training_file import write_training_params as stage

    p, _, _ = data.load()
    stage(p.train, Path("models/train-params.json"), algo=p.algo, seed=p.seed)


@command()
def train(
    data: DataSet,
    packed: Packed = None,
    out: Annotated[Path, typer.Option(help="Folder of the agent.")] = Path("models/agent"),
) -> None:
    """Train an agent, or resume a training: models/agent/."""
    from sfpipe.store.records import StorePair
    from sfpipe.training.stage import train as stage

    p, _, paths = data.load()
    others = [replace(paths, dataset=name) for name in p.train.common.also]
    stage(
        p.train,
        packed or paths.scores,
        packed or paths.spectrograms,
        out,
        algo=p.algo,
        seed=p.seed,
        curves=Path("metrics/train"),
        events=Path("runs"),
        checkpoints=Path("models/checkpoints"),
        also=[StorePair(other.scores, other.spectrograms) for other in others],
    )


@command()
def publish(
    name: Annotated[str, typer.Argument(help="Name, e.g. nottingham-ppo.")],
    agent: Annotated[Path, typer.Option(help="Folder of the agent.")] = Path("models/agent"),
    results: Annotated[Path, typer.Option(help="Results of its evaluation.")] = Path(
        "metrics/eval.json"
    ),
    real: Annotated[
        Path | None, typer.Option(help="Its results on human performances: metrics/real.json.")
    ] = None,
    half: Annotated[bool, typer.Option("--float16/--float32", help="Of the weights.")] = True,
) -> None:
    """Put an agent and its figures into models/pretrained/."""
    from sfpipe.publishing import publish as put

    print(put(name, agent, results, real=real, half=half))
