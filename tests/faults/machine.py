"""A machine on which faults happen when they are asked for: every run is a process of its own.

Modules are loaded once, in a process that forks for each run.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

SHIM = Path(__file__).with_name("shim.c")
ROOT = Path(__file__).parents[2]
# As the enumeration in shim.c.
FAULTS = [
    *("nothing", "count", "short", "kill", "term", "full", "unreadable", "clock", "read-only"),
]
MODULES = [
    *("cli", "audio.stage", "cleaning.stage", "datasets.stage", "engraving.stage"),
    *("engraving.verovio.piece", "score.stage", "training.stage", "evaluation.stage"),
]


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code (negative: the signal), what it said, its calls so far."""

    code: int
    out: str
    err: str
    writes: int = 0
    reads: int = 0

    @property
    def said(self) -> str:
        """The last line on standard error, without progress."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        return lines[-1] if lines else ""


def build(folder: Path) -> Path:
    """The library, in `folder`."""
    shim = folder / "shim.so"
    flags = ["-shared", "-fPIC", "-O1", "-o", str(shim), str(SHIM), "-ldl"]
    subprocess.run([shutil.which("cc") or "gcc", *flags], check=True)
    return shim


class Machine:
    """Runs `sfpipe` in a folder, under a fault."""

    def __init__(self, folder: Path):
        shim = build(folder)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.machine", str(shim)],
            cwd=ROOT,
            env=os.environ | {"LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, folder: Path, *arguments: str, fault: str = "nothing", seed: int = 0, nth: int = 0
    ) -> Ended:
        """`sfpipe ARGUMENTS` in `folder`, whose files alone are touched by the fault.

        `nth`: of the reads or writes, from 1, at which it happens.
        """
        self.start(folder, *arguments, fault=fault, seed=seed, nth=nth)
        return self.wait()

    def start(
        self, folder: Path, *arguments: str, fault: str = "nothing", seed: int = 0, nth: int = 0
    ) -> None:
        """As `run`, which goes on while others are started; `wait` gives them in their order."""
        assert self._process.stdin
        request = [str(folder), list(arguments), FAULTS.index(fault), seed, nth]
        print(json.dumps(request), file=self._process.stdin, flush=True)

    def wait(self) -> Ended:
        """How the oldest run that was started ended."""
        assert self._process.stdin and self._process.stdout
        print("null", file=self._process.stdin, flush=True)
        return Ended(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(20)


def _serve(shim: str) -> None:
    for module in MODULES:  # that the stages load when they run
        import_module(f"sfpipe.{module}")
    machine = ctypes.CDLL(shim)
    machine.fault_writes.restype = machine.fault_reads.restype = ctypes.c_long
    running: list[tuple[int, Path]] = []
    for number, line in enumerate(sys.stdin):
        request = json.loads(line)
        if request is None:
            pid, report = running.pop(0)
            print(json.dumps(_report(pid, report)), flush=True)
            continue
        report = Path(shim).parent / f"run{number}"
        report.mkdir()
        pid = os.fork()
        if pid == 0:
            _run(machine, report, *request)
        running.append((pid, report))


def _run(machine, report: Path, folder, arguments, kind, seed, nth) -> None:
    """In the child: never returns."""
    code = 1
    try:
        for descriptor, name in ((1, "out"), (2, "err")):
            file = os.open(report / name, os.O_WRONLY | os.O_CREAT)
            os.dup2(file, descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(folder)
        sys.argv = ["sfpipe", *arguments]
        from sfpipe import cli

        below = ctypes.c_char_p(str(folder).encode())
        machine.fault_set(kind, ctypes.c_ulong(seed), ctypes.c_long(nth), below)
        cli.main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        calls = machine.fault_writes(), machine.fault_reads()
        machine.fault_set(0, 0, 0, b"")
        (report / "calls").write_text(json.dumps(calls))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _report(pid: int, report: Path) -> dict:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    calls = report / "calls"
    writes, reads = json.loads(calls.read_text()) if calls.exists() else (0, 0)
    said = {name: (report / name).read_text(errors="replace") for name in ("out", "err")}
    return {"code": code, "writes": writes, "reads": reads, **said}


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve(sys.argv[1])
