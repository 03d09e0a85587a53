"""Followers on a piece: as a page, as a film, in a window."""

from __future__ import annotations

from typing import Annotated

import typer

from sfpipe.commands.options import (
    AGENT,
    Agents,
    Baselines,
    Deterministic,
    File,
    Players,
    Shown,
    Work,
    in_group,
)
from sfpipe.errors import SfpipeError

command = in_group("follow")


@command()
def page(
    shown: Shown,
    agent: Agents = None,
    baseline: Baselines = None,
    player: Players = None,
    deterministic: Deterministic = False,
    out: File = None,
    every: Annotated[bool, typer.Option("--every", help="A page of every piece.")] = False,
    *,
    work: Work,
) -> None:
    """Show followers on the printed page, in a browser: pages/."""
    from sfpipe.viewing.page import page as make
    from sfpipe.viewing.page import pages

    p, paths, which = shown.select()
    named = [*(agent or []), *(baseline or []), *(player or [])] or [str(AGENT)]
    if not every:
        if work != Work():
            raise SfpipeError("one page is made here", remedy="give --every, or no --scheduler")
        print(make(p, paths, named, which, deterministic=deterministic, out=out))
        return
    if which.piece or which.performance or out:
        remedy = "leave out --piece, --performance and --out, or --every"
        raise SfpipeError("every piece has a page of its own", remedy=remedy)
    with work.cluster():
        made = pages(
            p,
            paths,
            named,
            split=which.split,
            real=which.real,
            deterministic=deterministic,
            jobs=work.jobs,
        )
    for line in (*made.done, *(f"{piece}: {why}" for piece, why in made.skipped.items())):
        print(line)


@command()
def watch(
    shown: Shown,
    agent: Annotated[str | None, typer.Option(help="Agent, folder or name.")] = None,
    baseline: Annotated[str | None, typer.Option(help="E.g. midi-odtw.")] = None,
    player: Annotated[str | None, typer.Option(help="optimal or constant-speed.")] = None,
    deterministic: Deterministic = False,
    explain: Annotated[bool, typer.Option(help="Show what speaks for the actions.")] = False,
    out: File = None,
) -> None:
    """Film a follower on a piece, with sound: watch/."""
    from sfpipe.viewing.watch import watch as film

    p, paths, which = shown.select()
    named = [name for name in (agent, baseline, player) if name] or [str(AGENT)]
    if len(named) > 1:
        remedy = "name one, or show several with `sfpipe page`"
        raise SfpipeError("a film shows one follower", remedy=remedy)
    print(film(p, paths, named[0], which, deterministic=deterministic, explain=explain, out=out))


@command()
def play(
    shown: Shown,
    agent: Annotated[
        str | None, typer.Option(help="To compare with; default: models/agent, if it is there.")
    ] = None,
) -> None:
    """Play yourself: arrow keys change your reading speed."""
    from sfpipe.viewing.play import play as start

    p, paths, which = shown.select()
    trained = str(AGENT) if AGENT.exists() else None
    print(start(p, paths, agent or trained, which).text())
