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
    from sfpipe.audio.soundfonts import DECLARED, find

    path = find(DECLARED["TimGM6mb"])
    if path is None:
        pytest.skip("the sound font TimGM6mb is not on this machine: see `sfpipe doctor`")
    return path


@pytest.fixture(scope="session")
def large_soundfont() -> Path:
    from sfpipe.audio.soundfonts import DECLARED, find

    path = find(DECLARED["FluidR3_GM"])
    if path is None:
        pytest.skip("the sound font FluidR3_GM is not on this machine: see `sfpipe doctor`")
    return path
