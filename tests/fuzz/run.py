"""Runs readers in processes of their own, with limits on time and memory, on files made wrong."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import random
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfpipe.errors import SfpipeError
from tests.fuzz.mutations import Mutation

SECONDS, MEMORY = 20, 2 << 30  # of processor time
PATIENCE_S = 100  # for what waits, or shares its processor with others
LONGEST = 1200  # characters of a line
VALID = -1  # number of the input that nothing is wrong with


@dataclass(frozen=True)
class Reader:
    """A reader of files.

    `make` writes valid ones into a folder. `files` are patterns of those that are made wrong, with
    how; `read` is called in the folder with those that were, and is to raise `SfpipeError` or
    nothing. `prepare` loads what the first reading would wait for.
    """

    make: Callable[[Path], Any]
    files: Mapping[str, Mutation]
    read: Callable[[list[Path]], Any]
    share: float = 1.0  # of the inputs that a reader gets, for slow ones
    prepare: Callable[[], Any] = lambda: None


@dataclass
class Count:
    """What became of the inputs of a reader; `bad` says what must not be."""

    read: int = 0
    refused: int = 0
    bad: list[str] = field(default_factory=list)
    slowest_s: float = 0.0


def run_reader(reader: Reader, inputs: int, seed: int, folder: Path) -> Count:
    """Give a reader so many inputs; what it crashes or hangs on is counted and passed over."""
    valid = folder / "valid"
    valid.mkdir(parents=True)
    reader.make(valid)
    outside = folder / "outside"
    outside.mkdir()
    for name in ("x", "b", "secret.h5", "keep.json"):
        (outside / name).write_text("{}")
    count, number = Count(), VALID
    context = multiprocessing.get_context("fork")
    while number < inputs:
        ours, theirs = context.Pipe(duplex=False)
        arguments = (reader, range(number, inputs), seed, folder, theirs)
        process = context.Process(target=_work, args=arguments)
        process.start()
        theirs.close()
        try:
            while number < inputs:
                outcome, told, seconds = ours.recv()
                count.slowest_s = max(count.slowest_s, seconds)
                if outcome == "bad":
                    count.bad.append(f"{number}: {told}")
                elif number == VALID and outcome != "read":
                    count.bad.append(f"the valid files: {told}")
                elif number != VALID:
                    setattr(count, outcome, getattr(count, outcome) + 1)
                number += 1
        except EOFError:
            process.join()
            count.bad.append(f"{number}: ended its process (exit code {process.exitcode})")
            number += 1
        process.join()
    return count


def _work(reader: Reader, numbers: range, seed: int, folder: Path, pipe: Any) -> None:
    if sys.platform == "linux":
        used = int(Path("/proc/self/status").read_text().split("VmData:")[1].split()[0]) << 10
        resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, used + MEMORY))
    log = open(folder / "log", "w")  # noqa: SIM115  # until the process ends
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    reader.prepare()
    for number in numbers:
        pipe.send(_one(reader, number, seed, folder))
    pipe.close()
    os._exit(0)


def _one(reader: Reader, number: int, seed: int, folder: Path) -> tuple[str, str, float]:
    dice = random.Random(f"{seed}-{number}")
    case = folder / "case"
    shutil.rmtree(case, ignore_errors=True)
    shutil.copytree(folder / "valid", case)
    os.chdir(case)
    wrong = {} if number == VALID else reader.files
    every = [(path, how) for name, how in wrong.items() for path in sorted(case.glob(name))]
    chosen = dice.sample(every, min(dice.choice((1, 1, 1, 2)), len(every)))
    for path, how in chosen:
        how(path, dice)
    changed = [path.relative_to(case) for path, _ in chosen]
    if number == VALID:
        changed = [path.relative_to(case) for name in reader.files for path in case.glob(name)]
    before = _tree(folder)
    faulthandler.dump_traceback_later(PATIENCE_S, exit=True)
    start = time.process_time()
    told = "read", ""
    try:
        reader.read(changed)
    except SfpipeError as error:
        told = ("bad", f"its line: {error!s:.900}") if _unclear(error) else ("refused", str(error))
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)
        ours = [f"{Path(f.filename).name}:{f.lineno}" for f in where if "sfpipe" in f.filename]
        told = "bad", f"{type(error).__name__}: {error!s:.200} ({' '.join(ours[-4:])})"
    finally:
        faulthandler.cancel_dump_traceback_later()
    if _tree(folder) != before:
        told = "bad", f"touched something outside: {sorted(set(_tree(folder)) ^ set(before))}"
    os.chdir(folder)
    seconds = time.process_time() - start
    if seconds > SECONDS:
        told = "bad", f"took {seconds:.0f} s of processor time"
    return *told, seconds


def _unclear(error: SfpipeError) -> bool:
    line = str(error)
    return not error.what or not line.isprintable() or len(line) > LONGEST


def _tree(folder: Path) -> list[tuple[str, int, int]]:
    """Everything in the folder but the case itself and the log."""
    found = []
    for top in sorted(folder.iterdir()):
        if top.name not in ("case", "log"):
            for path in sorted([top, *top.rglob("*")]):
                state = path.lstat()
                found.append((str(path), state.st_size if path.is_file() else 0, state.st_mtime_ns))
    return found
