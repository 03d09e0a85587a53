import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.scores import TUNE, Performed, perform

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def performed(tmp_path_factory, soundfont) -> Performed:
    """A melody of three lines and its performance."""
    return perform(Path(tmp_path_factory.mktemp("live")), soundfont)


@pytest.fixture(scope="session")
def engine(performed):
    """An engine on it; every test opens a stream of its own."""
    from sfpipe.live.engine import LiveEngine

    return LiveEngine(performed.page_set)


@pytest.fixture(scope="session")
def tune(tmp_path_factory) -> Path:
    """The melody as a file."""
    path = Path(tmp_path_factory.mktemp("tune")) / "tune.abc"
    path.write_text(TUNE, "utf-8")
    return path


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """A server of its own process, in a folder without agents: its address and its folder of
    temporary files."""
    home = tmp_path_factory.mktemp("served")
    (home / "tmp").mkdir()
    code = (
        "import sys; sys.argv[1:] = ['serve', '--port', '0']; from sfpipe.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(home / "tmp")},
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process.stdout.readline().strip(), home / "tmp", process.pid
    process.terminate()
    assert process.wait(20) in (0, -15, 143)
