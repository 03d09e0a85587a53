import os
import sys
from pathlib import Path

import pytest


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value or not Path(value).is_dir():
        pytest.skip(f"{variable} does not name a folder: recordings to compare with are not here")
    return Path(value)


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of recordings of the 2019 reference implementation."""
    return _folder("SFPIPE_REFERENCE")


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Folder of archives that otherwise come from the internet."""
    return _folder("SFPIPE_MIRROR")


@pytest.fixture
def sfpipe(monkeypatch, capsys):
    """Run the command in this process: (exit code, standard output, standard error)."""
    from sfpipe import cli

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sfpipe", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def soundfont() -> Path:
    """The smaller of the two default sound fonts."""
    return _font("TimGM6mb")


@pytest.fixture(scope="session")
def large_soundfont() -> Path:
    """The larger one."""
    return _font("FluidR3_GM")


def _font(name: str) -> Path:
    from sfpipe.audio.soundfonts import DECLARED, find_soundfont

    path = find_soundfont(DECLARED[name])
    if path is None:
        pytest.skip(f"the sound font {name} is not on this machine: see `sfpipe doctor`")
    return path


@pytest.fixture(scope="session")
def lilypond():
    """The installed LilyPond, where it can be confined."""
    from sfpipe.engraving.lilypond.program import find_lilypond, require_walls
    from sfpipe.errors import SfpipeError

    try:
        require_walls(unconfined=False)
        return find_lilypond()
    except SfpipeError as error:
        pytest.skip(str(error))
