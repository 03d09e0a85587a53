"""Follow a score through a stream of sound, from its first block to its last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from sfpipe.files import write_csv
from sfpipe.live.engine import LiveEngine, LivePosition
from sfpipe.live.sources import SoundStream

COLUMNS = tuple(LivePosition.__dataclass_fields__)


def follow_sound(engine: LiveEngine, sound: SoundStream) -> Iterator[LivePosition]:
    """The positions of a stream, each as soon as it is known.

    Raises
    ------
    SfpipeError
        If the sound cannot be read, or has a rate or number of channels that is not taken.
    """
    engine.open(sound.rate, sound.channels)
    for block in sound.blocks():
        if block.lost_s:
            engine.skip(block.lost_s)
        yield from engine.push(block.samples)
    yield from engine.flush()


def write_positions(path: Path, positions: Iterable[LivePosition]) -> None:
    """A table with a row per frame of 50 ms, and the fields of `LivePosition` as columns."""
    rows = (["" if v is None else v for v in p.rounded().values()] for p in positions)
    write_csv(path, COLUMNS, rows)


def describe_time(position: LivePosition) -> str:
    """Minutes and seconds."""
    minutes, seconds = divmod(position.time_s, 60)
    return f"{int(minutes)}:{seconds:04.1f}"


def describe(position: LivePosition, systems: int) -> str:
    """A line for a terminal."""
    words = [describe_time(position), position.state]
    words.append(f"page {position.page + 1}, system {position.system + 1} of {systems}")
    if position.tempo is not None:
        words.append(f"{position.tempo:.0f} quarters a minute")
    if position.confidence is not None:
        words.append(f"confidence {position.confidence:.0%}")
    return "  ".join(words)
