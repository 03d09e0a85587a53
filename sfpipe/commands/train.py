"""Training, its curves, and publishing what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sfpipe.commands.options import PARAMS, Dataset, Packed, ParamsFile, in_group, setting

command = in_group("train")


@command()
def train(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    packed: Packed = None,
    out: Annotated[Path, typer.Option(help="Folder of the agent.")] = Path("models/agent"),
) -> None:
    """Train an agent, or resume a training: models/agent/."""
    from sfpipe.training.stage import train as stage

    p, _, paths = setting(params, dataset)
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
    )


@command()
def curves(
    agents: Annotated[list[Path] | None, typer.Argument(help="Agents whose curves to add.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of these trainings.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the curves.")] = Path("metrics/curves"),
) -> None:
    """Draw learning curves, and say when each reached R_on 0.9 and 0.99."""
    from sfpipe.agents.agent import find_agent
    from sfpipe.evaluation.curves import draw, read_curves, save_curve, table

    for agent in agents or []:
        save_curve(find_agent(agent), out, name)
    found = read_curves(out)
    print(table(found), end="")
    print(draw(found, out / "curves.png"))


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
) -> None:
    """Put an agent and its figures into models/pretrained/."""
    from sfpipe.publishing import publish as put

    print(put(name, agent, results, real=real))
