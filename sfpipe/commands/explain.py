"""What an agent has learnt (sections 3.5 and 5 of the paper)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfpipe.commands.options import AGENT, LOOKED, Agent, DataSet, Looked, Piece, in_group
from sfpipe.paths import Paths

if TYPE_CHECKING:
    from sfpipe.inspection.states import AgentOnBank

command = in_group("explain")


@command()
def explain(
    data: DataSet,
    agent: Agent = AGENT,
    piece: Piece = None,
    frame: Annotated[int | None, typer.Option(help="Frame of the performance.")] = None,
    offset: Annotated[float | None, typer.Option(help="How far behind and ahead, px.")] = None,
    out: Looked = LOOKED,
) -> None:
    """Show what an agent does, and why (section 5.2)."""
    from sfpipe.inspection.policy import explain as draw

    p, _, paths = data.load()
    played = _agent_on_bank(agent, paths, p.seed, split="test", piece=piece)
    which = played.performance(piece, p.seed)
    for path in draw(played, out, performance=which, frame=frame, offset_px=offset):
        print(path)


@command()
def tempo(
    data: DataSet,
    agent: Agent = AGENT,
    piece: Piece = None,
    seconds: Annotated[float, typer.Option(min=1, help="How much of the piece to draw.")] = 20,
    out: Looked = LOOKED,
) -> None:
    """Draw optimal and actual tempo and actions (section 3.5)."""
    from sfpipe.inspection.tempo_curve import tempo as draw

    p, _, paths = data.load()
    played = _agent_on_bank(agent, paths, p.seed, split="test", piece=piece)
    which = played.performance(piece, p.seed)
    for path in draw(played, out, performance=which, seconds=seconds):
        print(path)


@command()
def embed(
    data: DataSet,
    agent: Agent = AGENT,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    max_states: Annotated[int, typer.Option(min=0, help="States in the map; 0: all.")] = 20_000,
    out: Looked = LOOKED,
) -> None:
    """Map an agent's states by their embedding (section 5.1)."""
    from sfpipe.inspection.embedding import embed as draw

    p, _, paths = data.load()
    played = _agent_on_bank(agent, paths, p.seed, split=split)
    places = {"scores": paths.scores, "engraved": paths.engraved}
    for path in draw(played, out, **places, seed=p.seed, max_states=max_states):
        print(path)


def _agent_on_bank(
    agent: Path, paths: Paths, seed: int, *, split: str, piece: str | None = None
) -> AgentOnBank:
    """The agent, and the performances it plays."""
    from sfpipe.inspection.states import load_agent_on_bank

    stores = paths.scores, paths.spectrograms
    return load_agent_on_bank(agent, *stores, split=split, piece=piece, seed=seed)
