"""What commands share: the application, their options, and what parameters and data they mean."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from sfpipe.params import Params
    from sfpipe.paths import Paths

# The groups of `sfpipe --help`, in their order.
GROUPS = {
    "pipeline": "The pipeline: stages that make data",
    "train": "Train",
    "evaluate": "Evaluate",
    "follow": "Follow a piece",
    "look": "Look at pieces and results",
    "explain": "Explain an agent",
    "data": "Data and this machine",
}


class GroupedHelp(TyperGroup):
    """Lists commands by group, in plain text, so that pipes and tests read what people read.

    (Newer Typers bring a Click of their own, so the types of its objects depend on the version.)
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one block per group of `GROUPS`."""
        for title in GROUPS.values():
            found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
            rows = [
                (name, command.get_short_help_str(formatter.width))
                for name, command in found
                if command and getattr(command, "rich_help_panel", None) == title
            ]
            with formatter.section(title):
                formatter.write_dl(rows)


app = typer.Typer(
    name="sfpipe",
    cls=GroupedHelp,
    help="Score following in sheet music images: pipeline, game, agents, evaluation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ParamsFile = Annotated[Path, typer.Option("--params", help="Parameters of the pipeline.")]
Dataset = Annotated[
    str | None, typer.Option("--dataset", help="Data set; default: that of the parameters.")
]
PlayedSet = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        help="Data set; default: that of the parameters, of human performances vienna4x22.",
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Processes; -1: one per core.")]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a Dask scheduler, e.g. tcp://host:8786.")
]
Packed = Annotated[
    Path | None, typer.Option("--packed", help="File of 'sfpipe pack', instead of both stores.")
]
Agent = Annotated[
    Path, typer.Option("--agent", help="Folder of the agent, or the name of a pretrained one.")
]
Piece = Annotated[
    str | None, typer.Option("--piece", help="Piece; default: one of the test pieces.")
]
Looked = Annotated[Path, typer.Option("--out", help="Folder of the pictures.")]
Agents = Annotated[
    list[str] | None, typer.Option("--agent", help="Agent, folder or name; may be repeated.")
]
Baselines = Annotated[
    list[str] | None, typer.Option("--baseline", help="E.g. midi-odtw; may be repeated.")
]
Players = Annotated[
    list[str] | None, typer.Option("--player", help="optimal or constant-speed; may be repeated.")
]
Real = Annotated[bool, typer.Option("--real-performances", help="Human performances.")]
Split = Annotated[str, typer.Option("--split", help="What a piece is drawn from.")]
Drawn = Annotated[str | None, typer.Option("--piece", help="A piece; default: drawn by the seed.")]
Performance = Annotated[str | None, typer.Option("--performance", help="One of the piece's.")]
Deterministic = Annotated[
    bool, typer.Option("--deterministic/--stochastic", help="Argmax or sampled.")
]
File = Annotated[Path | None, typer.Option("--out", help="The file.")]
PARAMS = Path("params.yaml")
AGENT = Path("models/agent")
LOOKED = Path("inspection")
REAL = "vienna4x22"  # the data set of --real-performances


def in_group(group: str) -> Callable[..., Any]:
    """`app.command` for the commands of one of the `GROUPS`."""
    return partial(app.command, rich_help_panel=GROUPS[group])


def setting(params: Path, dataset: str | None) -> tuple[Params, str, Paths]:
    """The parameters, the data set's name, and the paths of its files."""
    from sfpipe.params import load_params
    from sfpipe.paths import Paths

    loaded = load_params(params)
    name = dataset or loaded.dataset
    return loaded, name, Paths(name)


def cluster_of(scheduler: str | None) -> AbstractContextManager[Any]:
    """A Dask cluster as joblib's backend, or nothing."""
    from contextlib import nullcontext

    if scheduler is None:
        return nullcontext()
    from sfpipe.parallel import cluster

    return cluster(scheduler)
