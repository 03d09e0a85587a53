"""The command line: every stage of the pipeline, and tools to look at what they made."""

from __future__ import annotations

import sys
from importlib import import_module

import typer

from sfpipe.commands.options import app, in_group
from sfpipe.errors import SfpipeError, naming_extra

# Imported for the commands they add, in the order of `sfpipe --help`.
for module in ("pipeline", "train", "evaluate", "live", "follow", "look", "explain", "data"):
    import_module(f"sfpipe.commands.{module}")


def main() -> None:
    """Run the command line; an `SfpipeError` becomes one line on stderr and exit code 1."""
    try:
        with naming_extra():
            app(prog_name="sfpipe")
    except SfpipeError as error:
        print(f"sfpipe: {error}", file=sys.stderr)
        raise SystemExit(1) from None


@in_group("data")()
def doctor() -> None:
    """List what sfpipe needs, and what is missing."""
    from sfpipe.doctor import checks, exit_code, render

    results = checks()
    print(render(results))
    raise typer.Exit(exit_code(results))
