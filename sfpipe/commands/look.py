"""Pictures and pages of pieces and results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sfpipe.commands.options import AGENT, DataSet, in_group

command = in_group("look")


@command()
def report(
    data: DataSet,
    metrics: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("metrics"),
    pages: Annotated[Path, typer.Option(help="Folder of page views to link.")] = Path("pages"),
    out: Annotated[Path, typer.Option(help="The report.")] = Path("report.html"),
    follow: Annotated[
        Path | None, typer.Option(help="A page too, on which the trained agent follows a tune.")
    ] = None,
) -> None:
    """Write a page about the results: report.html."""
    from sfpipe.viewing.overview import overview as stage

    p, _, paths = data.load()
    print(stage(p, paths, metrics, out, pages=pages, agent=AGENT, follow=follow))


@command()
def show_alignment(
    data: DataSet,
    piece: Annotated[list[str] | None, typer.Option(help="Piece; may be repeated.")] = None,
    random: Annotated[int, typer.Option(min=1, help="How many pieces to draw at random.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the pictures.")] = Path("alignment"),
) -> None:
    """Draw the onset positions over the strips."""
    from sfpipe.score.alignment_overlay import show_alignment as draw

    _, _, paths = data.load()
    for path in draw(paths.scores, out, pieces=piece or None, n_random=random, seed=seed):
        print(path)
