"""Running a program that must not be trusted.

The operating system holds the walls (confine.py raises them): a private folder is the only place
that can be written, only system files and the program's own can be read (Landlock); there is no
network, no other process in sight, and all that was started dies at the time limit (namespaces);
limited memory, processor time, file sizes and processes; an empty environment; the user nobody
instead of root. Where the
kernel has no Landlock, nobody still cannot write to anybody's files. Where it has no namespaces,
Landlock forbids TCP (Linux 6.7), and what leaves its session outlives the time limit, idle.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sfpipe.errors import SfpipeError
from sfpipe.sandbox import confine

CONFINE = Path(confine.__file__)
SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc/fonts", "/etc/ld.so.cache", "/proc/self")
LIMITS = {
    "AS": 4 << 30,  # bytes
    "FSIZE": 256 << 20,  # bytes
    # Beside what its user runs already; by core, for other jobs start under the same user.
    "NPROC": 64 * (os.cpu_count() or 1),
    "NOFILE": 256,
    "CORE": 0,
}


@dataclass(frozen=True)
class Ended:
    """How a confined program ended: its exit `status` and what it printed."""

    status: int
    log: str
    timed_out: bool

    @property
    def signal(self) -> int:
        """Number of the signal that ended it, e.g. 11 for a segmentation fault; 0 if none did."""
        if self.status < 0:
            return -self.status
        return max(self.status - confine.SIGNALLED, 0)


@lru_cache(maxsize=1)
def walls() -> tuple[str, ...]:
    """What this system offers to confine a program with.

    ``landlock`` (files), ``namespaces`` (network, processes), ``nobody`` (started as root, it runs
    as nobody), ``limits``.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(CONFINE), "--probe"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    try:
        return tuple(json.loads(done.stdout))
    except ValueError:
        return ()


def can_confine() -> bool:
    """Whether the user's files can be kept from a program here.

    By Landlock; else, started as root, by running it as nobody without network and other processes.
    """
    offered = set(walls())
    return "landlock" in offered or {"namespaces", "nobody"} <= offered


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that a confined program may fill; it is removed at the end."""
    outer = Path(tempfile.mkdtemp(prefix="sfpipe-"))
    try:
        outer.chmod(0o711)
        inner = outer / "piece"
        inner.mkdir()
        yield inner
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def run_confined(
    command: Sequence[str],
    folder: Path,
    *,
    readable: Sequence[Path],
    seconds: float,
    inside: str = ".",
) -> Ended:
    """Run `command` in `folder`, the only place it can write to.

    Parameters
    ----------
    command:
        The program with its full path, and arguments.
    folder:
        A `private_folder`, filled with what the program needs.
    readable:
        Folders beside the system's that it may read.
    inside:
        Where in `folder` the program starts.
    seconds:
        Of wall-clock and of processor time; then all its processes are killed.

    Raises
    ------
    SfpipeError
        If the program cannot be started.
    """
    _open_for_all(folder)
    specification = {
        "folder": str(folder),
        "inside": inside,
        "read": [*SYSTEM, *map(str, readable)],
        "limits": {**LIMITS, "CPU": int(seconds) + 1},
        "command": list(command),
        "environment": {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
        },
    }
    log = folder.parent / "log.txt"
    timed_out = False
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(CONFINE), json.dumps(specification)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={},
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            # Also without a time-out: it may have left children behind.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    with open(log, "rb") as printed:
        text = printed.read(1 << 20).decode("utf-8", "replace")
    return Ended(process.returncode, text, timed_out)


def plain_file(path: Path) -> bool:
    """Whether `path` is a file and no link or pipe that a confined program put there."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def read_made(path: Path, limit: int = 256 << 20) -> bytes:
    """What a confined program wrote to `path`.

    Raises
    ------
    SfpipeError
        If it is no plain file or has more than `limit` bytes.
    """
    if not plain_file(path):
        raise SfpipeError(f"{path.name} was not made")
    if path.stat().st_size > limit:
        raise SfpipeError(f"{path.name} has more than {limit >> 20} MiB")
    return path.read_bytes()


def _open_for_all(folder: Path) -> None:
    """The program may run as another user."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o777 if path.is_dir() else 0o666)
