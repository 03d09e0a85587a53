"""Followers on a piece: as a page, as a film, in a window."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sfpipe.commands.options import (
    AGENT,
    PARAMS,
    REAL,
    Agents,
    Baselines,
    Deterministic,
    Drawn,
    File,
    ParamsFile,
    Performance,
    PlayedSet,
    Players,
    Real,
    Split,
    in_group,
    setting,
)
from sfpipe.errors import SfpipeError
from sfpipe.params import Params
from sfpipe.paths import Paths

command = in_group("follow")


@command()
def page(
    params: ParamsFile = PARAMS,
    dataset: PlayedSet = None,
    agent: Agents = None,
    baseline: Baselines = None,
    player: Players = None,
    real: Real = False,
    split: Split = "test",
    piece: Drawn = None,
    performance: Performance = None,
    deterministic: Deterministic = False,
    out: File = None,
) -> None:
    """Show followers on the printed page, in a browser: pages/."""
    from sfpipe.viewing.page import page as make

    p, paths, which = _shown(params, dataset, real, split, piece, performance)
    named = [*(agent or []), *(baseline or []), *(player or [])] or [str(AGENT)]
    print(make(p, paths, named, which, deterministic=deterministic, out=out))


@command()
def watch(
    params: ParamsFile = PARAMS,
    dataset: PlayedSet = None,
    agent: Annotated[str | None, typer.Option(help="Agent, folder or name.")] = None,
    baseline: Annotated[str | None, typer.Option(help="E.g. midi-odtw.")] = None,
    player: Annotated[str | None, typer.Option(help="optimal or constant-speed.")] = None,
    real: Real = False,
    split: Split = "test",
    piece: Drawn = None,
    performance: Performance = None,
    deterministic: Deterministic = False,
    explain: Annotated[bool, typer.Option(help="Show what speaks for the actions.")] = False,
    out: File = None,
) -> None:
    """Film a follower on a piece, with sound: watch/."""
    from sfpipe.viewing.watch import watch as film

    p, paths, which = _shown(params, dataset, real, split, piece, performance)
    named = [name for name in (agent, baseline, player) if name] or [str(AGENT)]
    if len(named) > 1:
        remedy = "name one, or show several with `sfpipe page`"
        raise SfpipeError("a film shows one follower", remedy=remedy)
    print(film(p, paths, named[0], which, deterministic=deterministic, explain=explain, out=out))


@command()
def play(
    params: ParamsFile = PARAMS,
    dataset: PlayedSet = None,
    agent: Annotated[
        str | None, typer.Option(help="To compare with; default: models/agent, if it is there.")
    ] = None,
    real: Real = False,
    split: Split = "test",
    piece: Drawn = None,
    performance: Performance = None,
) -> None:
    """Play yourself: arrow keys change your reading speed."""
    from sfpipe.viewing.play import play as start

    p, paths, which = _shown(params, dataset, real, split, piece, performance)
    trained = str(AGENT) if AGENT.exists() else None
    print(start(p, paths, agent or trained, which).text())


def _shown(
    params: Path,
    dataset: str | None,
    real: bool,
    split: str,
    piece: str | None,
    performance: str | None,
) -> tuple[Params, Paths, Any]:
    """The parameters, the paths, and which performance is looked at."""
    from sfpipe.viewing.select_performance import Selection

    name = dataset or (REAL if real else None)
    p, _, paths = setting(params, name)
    return p, paths, Selection(split, piece, performance, real)
