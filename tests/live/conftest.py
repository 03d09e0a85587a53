import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
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


@contextmanager
def serving(
    home: Path,
    *options: str,
    temporary: Path | None = None,
    environment: Mapping[str, str] = {},
) -> Iterator[tuple[str, Path, int]]:
    """A server of its own process, in a folder without agents: its address, its folder of
    temporary files, and its number."""
    home.mkdir(parents=True, exist_ok=True)
    temporary = temporary or home / "tmp"
    temporary.mkdir()
    code = f"import sys; sys.argv[1:] = {['serve', '--port', '0', *options]!r}"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}; from sfpipe.cli import main; main()"],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), temporary, process.pid
    finally:
        process.terminate()
        assert process.wait(60) in (0, -signal.SIGKILL, 128 + signal.SIGTERM)


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """A server of one process."""
    with serving(tmp_path_factory.mktemp("served")) as server:
        yield server
    assert list(server[1].iterdir()) == []


@pytest.fixture(scope="session")
def served_by_two(tmp_path_factory):
    """A server of two processes."""
    with serving(tmp_path_factory.mktemp("two"), "--workers", "2") as server:
        yield server


def workers_of(server: int) -> list[psutil.Process]:
    """The processes that serve for this one."""
    children = [child for child in psutil.Process(server).children() if alive(child)]
    return [child for child in children if any("spawn_main" in word for word in child.cmdline())]


def alive(process: psutil.Process) -> bool:
    """Whether it runs, and does not just wait for its end to be noticed."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
