"""What commands share: the application, their options, and what parameters and data they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from sfpipe.audio.pitch import ToldPitch
    from sfpipe.evaluation.other_sound import Knowledge, OtherSound
    from sfpipe.params import Params
    from sfpipe.paths import Paths
    from sfpipe.viewing.select_performance import Selection

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
            commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
            rows = [
                (name, command.get_short_help_str(formatter.width))
                for name, command in commands
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

PARAMS = Path("params.yaml")
AGENT = Path("models/agent")
LOOKED = Path("inspection")
REAL = "vienna4x22"  # the data set of --real-performances
Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Processes; -1: one per core.")]
ParamsFile = Annotated[Path, typer.Option("--params", help="Parameters of the pipeline.")]
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
Deterministic = Annotated[
    bool, typer.Option("--deterministic/--stochastic", help="Argmax or sampled.")
]
File = Annotated[Path | None, typer.Option("--out", help="The file.")]


@dataclass(frozen=True)
class DataSet:
    """Options of a command that reads or writes a data set's files."""

    params: ParamsFile = PARAMS
    dataset: Annotated[
        str | None, typer.Option(help="Data set; default: that of the parameters.")
    ] = None

    def load(self) -> tuple[Params, str, Paths]:
        """The parameters, the data set's name, and the paths of its files."""
        from sfpipe.params import load_params
        from sfpipe.paths import Paths

        loaded = load_params(self.params)
        name = self.dataset or loaded.dataset
        return loaded, name, Paths(name)


@dataclass(frozen=True)
class PieceSet(DataSet):
    """Options of a stage that makes a whole data set, or a few named pieces of it."""

    piece: Annotated[list[str] | None, typer.Option(help="Only this piece; may be repeated.")] = (
        None
    )

    @property
    def pieces(self) -> tuple[str, ...]:
        """The pieces that are named."""
        return tuple(self.piece or ())


@dataclass(frozen=True, kw_only=True)
class NewSet(DataSet):
    """Options of a command that makes a data set from files of the user's."""

    dataset: Annotated[str, typer.Option(help="Name of the new data set.")] = field()


@dataclass(frozen=True)
class PlayedSet(DataSet):
    """Options of a command that plays a data set's performances, or human ones."""

    dataset: Annotated[
        str | None,
        typer.Option(
            help=f"Data set; default: that of the parameters, of human performances {REAL}."
        ),
    ] = None


@dataclass(frozen=True)
class Shown(PlayedSet):
    """Options of a command that shows one performance."""

    real: Annotated[bool, typer.Option("--real-performances", help="Human performances.")] = False
    split: Annotated[str, typer.Option(help="What a piece is drawn from.")] = "test"
    piece: Annotated[str | None, typer.Option(help="A piece; default: drawn by the seed.")] = None
    performance: Annotated[str | None, typer.Option(help="One of the piece's.")] = None

    def select(self) -> tuple[Params, Paths, Selection]:
        """The parameters, the paths, and which performance is shown."""
        from sfpipe.viewing.select_performance import Selection

        real = REAL if self.real else None
        p, _, paths = DataSet(self.params, self.dataset or real).load()
        return p, paths, Selection(self.split, self.piece, self.performance, self.real)


@dataclass(frozen=True)
class Scheduler:
    """Options of a command that others may work for."""

    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, e.g. tcp://host:8786.")
    ] = None

    def cluster(self) -> AbstractContextManager[Any]:
        """The scheduler's cluster as joblib's backend, or nothing."""
        if self.scheduler is None:
            return nullcontext()
        from sfpipe.parallel import cluster

        return cluster(self.scheduler)


@dataclass(frozen=True)
class Work(Scheduler):
    """Options of a command that spreads work over processes."""

    jobs: Jobs = -1


@dataclass(frozen=True)
class Pitch:
    """Options that say how much higher music sounds than it is written."""

    a4: Annotated[
        float | None, typer.Option("--a4", help="Frequency of a' in Hz; default: 440.")
    ] = None
    transpose: Annotated[
        int | None, typer.Option(help="Semitones by which it sounds higher than written, e.g. -2.")
    ] = None
    instrument: Annotated[
        str | None, typer.Option(help='Instead of --transpose: e.g. "clarinet in B flat".')
    ] = None

    def told(self) -> ToldPitch:
        """What they say."""
        from sfpipe.audio.pitch import ToldPitch

        return ToldPitch.by(self.a4, self.transpose, self.instrument)


@dataclass(frozen=True)
class Otherwise(Pitch):
    """Options of an evaluation whose performances sound otherwise."""

    program: Annotated[
        int | None, typer.Option(min=0, max=127, help="General MIDI program to play them on.")
    ] = None
    knows: Annotated[
        bool, typer.Option("--told/--untold", help="Whether followers know the pitch.")
    ] = True
    find_pitch: Annotated[
        bool, typer.Option("--find-pitch", help="The pitch is found as the music plays.")
    ] = False

    def sound(self) -> OtherSound | None:
        """How performances are to sound; None: as they are."""
        from sfpipe.evaluation.other_sound import OtherSound

        if self == Otherwise():
            return None
        knowledge: Knowledge = "found" if self.find_pitch else "told" if self.knows else "untold"
        return OtherSound(self.told().over(0), self.program, knowledge)


@dataclass(frozen=True)
class LivePitch(Pitch):
    """The same, for music that is being followed."""

    find_pitch: Annotated[
        bool | None,
        typer.Option(help="Look for the transposition in the sound; default: unless it is said."),
    ] = None

    def told(self) -> ToldPitch:
        """What they say."""
        return replace(super().told(), find=self.find_pitch)


def in_group(group: str) -> Callable[..., Any]:
    """`app.command` for one of the `GROUPS`; classes of options become the options they hold."""

    def command(name: str | None = None) -> Callable[..., Any]:
        add = app.command(name, rich_help_panel=GROUPS[group])
        return lambda function: add(_taking_fields(function))

    return command


def _taking_fields(function: Callable[..., None]) -> Callable[..., None]:
    """`function`, called with the fields of its dataclasses instead of with these."""
    hints = get_type_hints(function).items()
    kinds: dict[str, Any] = {name: kind for name, kind in hints if is_dataclass(kind)}

    @wraps(function)
    def run(**options: Any) -> None:
        for name, kind in kinds.items():
            options[name] = kind(**{of.name: options.pop(of.name) for of in fields(kind)})
        function(**options)

    run.__signature__ = Signature([*_parameters(function)])  # type: ignore[attr-defined]  # PEP 362
    return run


def _parameters(of: Callable[..., Any]) -> Iterator[Parameter]:
    """Parameters of a function; those of a dataclass in its place."""
    hints = get_type_hints(of, include_extras=True)
    for name, parameter in signature(of).parameters.items():
        if is_dataclass(hints[name]):
            yield from _parameters(hints[name])
        else:
            yield parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY)
