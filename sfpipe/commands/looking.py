"""Pictures, films, pages: looking at pieces, games and agents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sfpipe.commands.options import (
    AGENT,
    LOOKED,
    PARAMS,
    REAL,
    Agent,
    Agents,
    Baselines,
    Dataset,
    Deterministic,
    Drawn,
    File,
    Looked,
    ParamsFile,
    Performance,
    Piece,
    PlayedSet,
    Players,
    Real,
    Split,
    app,
    setting,
)


@app.command()
def show_alignment(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    piece: Annotated[list[str] | None, typer.Option(help="Piece; may be repeated.")] = None,
    random: Annotated[int, typer.Option(min=1, help="How many pieces to draw at random.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the pictures.")] = Path("alignment"),
) -> None:
    """Draw the onset positions over the strips, to look at."""
    from sfpipe.score.alignment_overlay import show_alignment as draw

    _, _, paths = setting(params, dataset)
    for path in draw(paths.scores, out, pieces=piece or None, n_random=random, seed=seed):
        print(path)


@app.command()
def explain(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    agent: Agent = AGENT,
    piece: Piece = None,
    frame: Annotated[int | None, typer.Option(help="Frame of the performance.")] = None,
    offset: Annotated[float | None, typer.Option(help="How far behind and ahead, px.")] = None,
    out: Looked = LOOKED,
) -> None:
    """Show what an agent does behind and ahead of the target, and why (section 5.2)."""
    from sfpipe.inspection.policy import explain as draw

    p, _, paths = setting(params, dataset)
    subject = _subject(agent, paths, p.seed, split="test", piece=piece)
    which = subject.performance(piece, p.seed)
    for path in draw(subject, out, performance=which, frame=frame, offset_px=offset):
        print(path)


@app.command()
def tempo(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    agent: Agent = AGENT,
    piece: Piece = None,
    seconds: Annotated[float, typer.Option(min=1, help="How much of the piece to draw.")] = 20,
    out: Looked = LOOKED,
) -> None:
    """Draw a piece's optimal tempo and actions beside the agent's own (section 3.5)."""
    from sfpipe.inspection.tempo_curve import tempo as draw

    p, _, paths = setting(params, dataset)
    subject = _subject(agent, paths, p.seed, split="test", piece=piece)
    which = subject.performance(piece, p.seed)
    for path in draw(subject, out, performance=which, seconds=seconds):
        print(path)


@app.command()
def embed(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    agent: Agent = AGENT,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    max_states: Annotated[int, typer.Option(min=0, help="States in the map; 0: all.")] = 20_000,
    out: Looked = LOOKED,
) -> None:
    """Map the states an agent visits by its network's embedding (section 5.1)."""
    from sfpipe.inspection.embedding import embed as draw

    p, _, paths = setting(params, dataset)
    subject = _subject(agent, paths, p.seed, split=split)
    places = {"scores": paths.scores, "engraved": paths.engraved}
    for path in draw(subject, out, **places, seed=p.seed, max_states=max_states):
        print(path)


@app.command()
def report(
    params: ParamsFile = PARAMS,
    dataset: Dataset = None,
    metrics: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("metrics"),
    pages: Annotated[Path, typer.Option(help="Folder of page views to link.")] = Path("pages"),
    out: Annotated[Path, typer.Option(help="The report.")] = Path("report.html"),
) -> None:
    """Write one page about the current experiment: tables, curves, errors, worst pieces."""
    from sfpipe.inspection.report import report as write

    _, _, paths = setting(params, dataset)
    print(write(metrics, out, engraved=paths.engraved, pages=pages))


@app.command()
def watch(
    params: ParamsFile = PARAMS,
    dataset: PlayedSet = None,
    agent: Annotated[str | None, typer.Option(help="Agent, folder or name.")] = None,
    baseline: Annotated[str | None, typer.Option(help="E.g. midi-odtw.")] = None,
    player: Annotated[str | None, typer.Option(help="optimal or constant.")] = None,
    real: Real = False,
    split: Split = "test",
    piece: Drawn = None,
    performance: Performance = None,
    deterministic: Deterministic = False,
    explain: Annotated[bool, typer.Option(help="Show what speaks for the actions.")] = False,
    out: File = None,
) -> None:
    """Film a follower on a piece, with sound: watch/<piece>-<performance>-<follower>.mp4."""
    from sfpipe.viewing.contestants import one_entry
    from sfpipe.viewing.watch import watch as film

    p, paths, which = _shown(params, dataset, real, split, piece, performance)
    who = one_entry(agent=agent, baseline=baseline, player=player)
    print(film(p, paths, who, which, deterministic=deterministic, explain=explain, out=out))


@app.command()
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
    """Show followers on the printed page, in a browser: pages/<piece>-<performance>.html."""
    from sfpipe.viewing.contestants import entries
    from sfpipe.viewing.page import page as make

    p, paths, which = _shown(params, dataset, real, split, piece, performance)
    who = entries(agents=agent or [], baselines=baseline or [], players=player or [])
    print(make(p, paths, who, which, deterministic=deterministic, out=out))


@app.command()
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
    """Play yourself, in a window: arrow keys change your reading speed."""
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
):
    """The parameters, the paths, and which performance is looked at."""
    from sfpipe.viewing.select_performance import Wanted

    name = dataset or (REAL if real else None)
    p, _, paths = setting(params, name)
    return p, paths, Wanted(split, piece, performance, real)


def _subject(agent: Path, paths, seed: int, *, split: str, piece: str | None = None):
    """The agent, and what it is studied on."""
    from sfpipe.agents.agent import find_agent
    from sfpipe.inspection.states import load_subject

    folder = find_agent(agent)
    stores = paths.scores, paths.spectrograms
    return load_subject(folder, *stores, split=split, piece=piece, seed=seed)
