"""The command line: every stage of the pipeline, and tools to look at what they made."""

from __future__ import annotations

import sys
from importlib import import_module

import typer

from sfpipe.commands.options import app
from sfpipe.errors import SfpipeError

# Imported for the commands they add, in the order of `sfpipe --help`.
for module in ("stages", "results", "looking", "stores"):
    import_module(f"sfpipe.commands.{module}")


def main() -> None:
    """Run the command line; an `SfpipeError` becomes one line on stderr and exit code 1."""
    try:
        app(prog_name="sfpipe")
    except SfpipeError as error:
        print(f"sfpipe: {error}", file=sys.stderr)
        raise SystemExit(1) from None


@app.command()
def doctor() -> None:
    """List every external thing, its version, and the remedy when it is missing."""
    from sfpipe.doctor import checks, exit_code, render

    found = checks()
    print(render(found))
    raise typer.Exit(exit_code(found))
