"""Which LilyPond is used, the wheel's or that of the command path, and whether it may run.

LilyPond sources contain programs (Scheme). LilyPond's own ``-dsafe`` cannot be used, since it
forbids the hook, too; so it runs in `sfpipe.sandbox`.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sfpipe.errors import SfpipeError
from sfpipe.sandbox.jail import can_confine

KNOWN_VERSION = (2, 24)  # the hook reads LilyPond's grobs, whose names change between versions
REMEDY = (
    "only for piano music (MSMD): pip install 'lilypond>=2.24,<2.25', or apt-get install lilypond"
)


@dataclass(frozen=True)
class LilyPond:
    """The programs of one installation in the folder `prefix`."""

    lilypond: Path
    convert_ly: Path
    prefix: Path
    version: str

    @property
    def musicxml2ly(self) -> Path:
        """The converter from MusicXML."""
        return self.convert_ly.with_name("musicxml2ly")


@lru_cache(maxsize=1)
def find_lilypond() -> LilyPond:
    """The installed LilyPond 2.24.

    Raises
    ------
    SfpipeError
        If there is none, or it is of another version.
    """
    program = _of_the_wheel() or shutil.which("lilypond")
    if program is None:
        raise SfpipeError("LilyPond is not installed", remedy=REMEDY)
    path = Path(program).resolve()
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise SfpipeError(f"LilyPond does not run ({error})", file=path, remedy=REMEDY) from None
    version_match = re.search(r"LilyPond (\d+)\.(\d+)\.(\d+)", done.stdout)
    if version_match is None or (int(version_match[1]), int(version_match[2])) != KNOWN_VERSION:
        first = (done.stdout or done.stderr).strip().split("\n")[0]
        raise SfpipeError(f"LilyPond 2.24 is needed, this is '{first}'", file=path, remedy=REMEDY)
    version = ".".join(version_match.groups())
    return LilyPond(path, path.with_name("convert-ly"), path.parent.parent, version)


def require_walls(*, unconfined: bool) -> None:
    """Refuse sources where nothing keeps them from the user's files.

    Parameters
    ----------
    unconfined:
        Whether the user wants them to be run nevertheless (``engrave.allow_unconfined``).

    Raises
    ------
    SfpipeError
        If `can_confine` says no, and they are not wanted nevertheless.
    """
    if unconfined or can_confine():
        return
    raise SfpipeError(
        "this system cannot confine LilyPond sources, which are programs: it does not offer "
        "Landlock (nor, to root, namespaces)",
        remedy="use Linux 5.13 or later with Landlock allowed or, if you trust every source, "
        "set engrave.allow_unconfined: true in params.yaml",
    )


def _of_the_wheel() -> Path | None:
    spec = importlib.util.find_spec("lilypond")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "lilypond-binaries" / "bin" / "lilypond"
    return program if program.is_file() else None
