"""What it costs to find the pitch: a follower that was told beside one that finds it."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.live import example
from benchmarks.table import Bench, Row
from sfpipe.audio.pitch import ToldPitch
from sfpipe.live.engine import LiveEngine
from sfpipe.live.mono import MonoStream
from sfpipe.live.server import EXAMPLE_SCORE
from sfpipe.pages.page_set import PageSet
from sfpipe.pages.read import read_pages
from sfpipe.store.schema import FPS, SAMPLE_RATE

DECIDED_S = 20.0  # by then the search is over
HOP = SAMPLE_RATE // FPS
KINDS = {"told": ToldPitch(440, 0), "tuning": ToldPitch(semitones=0), "found": ToldPitch(find=True)}


def bench_pitch(bench: Bench, root: Path) -> None:
    """The package's example, as if its page were a picture."""
    torch.set_num_threads(1)
    pages, sound = picture(), mono()
    engines = {name: LiveEngine(pages, told=told) for name, told in KINDS.items()}
    took: dict[str, list[np.ndarray]] = {name: [] for name in KINDS}
    for _ in range(bench.rounds):
        for name, engine in engines.items():
            took[name].append(frames_ms(engine, sound))
    before, after = slice(0, round(DECIDED_S * FPS)), slice(round(DECIDED_S * FPS), None)
    for title, name, part in (
        ("pitch: found, a frame before it is decided", "found", before),
        ("pitch: found, a frame afterwards", "found", after),
        ("pitch: tuning only, a frame", "tuning", slice(None)),
    ):
        row = Row(f"{title} (beside: told)", "ms")
        row.ours = [float(run[part].mean()) for run in took[name]]
        row.theirs = [float(run[part].mean()) for run in took["told"]]
        bench.show(row)
    row = Row("pitch: found, the slowest frame (beside: told)", "ms")
    row.ours = [float(run.max()) for run in took["found"]]
    row.theirs = [float(run.max()) for run in took["told"]]
    bench.show(row)
    row = Row("pitch: memory at its most (beside: told)", "MiB")
    for _ in range(bench.rounds):
        row.ours.append(memory_mib("found"))
        row.theirs.append(memory_mib("told"))
    bench.show(row)


def picture() -> PageSet:
    """The example's page, which says nothing of how it sounds."""
    return replace(read_pages(EXAMPLE_SCORE), transposition=None)


def mono() -> np.ndarray:
    """The example's performance, float32 [shape=(n,)], 22,050 Hz."""
    stream = MonoStream(48_000, 2)
    return np.concatenate([stream.push(example()), stream.flush()]).astype(np.float32)


def frames_ms(engine: LiveEngine, sound: np.ndarray) -> np.ndarray:
    """Processor time of every frame of 50 ms."""
    engine.open(SAMPLE_RATE)
    took = []
    for start in range(0, len(sound) - HOP, HOP):
        began = time.thread_time()
        engine.push(sound[start : start + HOP])
        took.append(1e3 * (time.thread_time() - began))
    return np.array(took)


def memory_mib(name: str) -> float:
    """Resident memory of a process that follows the example, at its most."""
    command = [sys.executable, "-m", "benchmarks.pitch", name]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    torch.set_num_threads(1)
    frames_ms(LiveEngine(picture(), told=KINDS[sys.argv[1]]), mono())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
