"""The command line: every stage of the pipeline, and tools to look at what they made."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType

import typer

from sfpipe.commands.options import app, in_group
from sfpipe.errors import SfpipeError, naming_extra

# Imported for the commands they add, in the order of `sfpipe --help`.
for module in ("pipeline", "train", "evaluate", "live", "follow", "look", "explain", "data"):
    import_module(f"sfpipe.commands.{module}")


def main() -> None:
    """Run the command line; an `SfpipeError` becomes one line on stderr and exit code 1."""
    try:
        with naming_extra(), _ending_in_a_line():
            app(prog_name="sfpipe")
    except SfpipeError as error:
        print(f"sfpipe: {error}", file=sys.stderr)
        raise SystemExit(1) from None


@contextmanager
def _ending_in_a_line() -> Iterator[None]:
    """SIGTERM ends the block as an exception does: what was half written goes, and a line says so.

    (A training and a server have their own ways to end.)
    """
    asked: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one does not wait
        asked.append(number)
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if asked:  # Python drops what is raised while it cleans up, so once more
            print("sfpipe: terminated -> run it again", file=sys.stderr)
            raise SystemExit(128 + asked[0])


@in_group("data")()
def doctor() -> None:
    """List what sfpipe needs, and what is missing."""
    from sfpipe.doctor import checks, exit_code, render

    results = checks()
    print(render(results))
    raise typer.Exit(exit_code(results))
