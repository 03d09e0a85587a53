"""Which LilyPond is used: the wheel's, else the one on the command path."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sfpipe.errors import SfpipeError

WANTED = (2, 24)  # the hook reads LilyPond's grobs, whose names change between versions
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
    found = re.search(r"LilyPond (\d+)\.(\d+)\.(\d+)", done.stdout)
    if found is None or (int(found[1]), int(found[2])) != WANTED:
        first = (done.stdout or done.stderr).strip().split("\n")[0]
        raise SfpipeError(f"LilyPond 2.24 is needed, this is '{first}'", file=path, remedy=REMEDY)
    version = ".".join(found.groups())
    return LilyPond(path, path.with_name("convert-ly"), path.parent.parent, version)


def _of_the_wheel() -> Path | None:
    spec = importlib.util.find_spec("lilypond")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "lilypond-binaries" / "bin" / "lilypond"
    return program if program.is_file() else None
