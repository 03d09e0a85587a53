"""Two hours of sound, as fast as it can be taken: memory, clock and time for a block."""

import gc
import os
import resource
import time
from pathlib import Path

import numpy as np
import pytest

from sfpipe.store.schema import SAMPLE_RATE

HOURS = 2.0
BLOCK = 2205  # 0.1 s


def resident_mib() -> float:
    """Of this process, now."""
    status = Path("/proc/self/statm")
    if not status.exists():  # macOS knows the most there ever was
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def play_loops(engine, samples, loops):
    """Positions of the first and the last loop, memory after each, ms of each block.

    Every loop begins with five seconds of silence and the player's "back to the first note".
    """
    loop = np.pad(samples, (5 * SAMPLE_RATE, 0))
    loop = np.pad(loop, (0, -len(loop) % SAMPLE_RATE))  # so that all loops have the same frames
    engine.open(SAMPLE_RATE)
    first, last, memory, took = [], [], [], []
    for number in range(loops):
        engine.restart()
        last = []
        for start in range(0, len(loop), BLOCK):
            began = time.perf_counter()
            last += engine.push(loop[start : start + BLOCK])
            took.append(1e3 * (time.perf_counter() - began))
        first = first or last
        gc.collect()
        memory.append(resident_mib())
        assert abs(last[-1].time_s - (number + 1) * len(loop) / SAMPLE_RATE) < 0.15  # the clock
    return len(loop) / SAMPLE_RATE, first, last, memory, took


def check(engine, performed, hours):
    seconds = len(performed.samples) / SAMPLE_RATE + 5
    loops = max(round(hours * 3600 / seconds), 3)
    seconds, first, last, memory, took = play_loops(engine, performed.samples, loops)
    # The first frames of the stream have nothing before them.
    places = [[p.strip_x for p in positions][-400:] for positions in (first, last)]
    np.testing.assert_allclose(places[0], places[1], atol=0.5)
    grown = memory[-1] - memory[max(1, loops // 10)]
    p50, p99 = np.quantile(took, [0.5, 0.99])
    print(
        f"{loops * seconds / 3600:.2f} h in {sum(took) / 1e3:.0f} s: {memory[-1]:.0f} MiB, "
        f"{grown:+.1f} MiB; a block of 0.1 s {p50:.2f} ms, p99 {p99:.2f} ms"
    )
    assert grown < 8
    return p99


def test_loops_are_followed_alike_and_memory_stays(engine, performed):
    check(engine, performed, 0.03)


@pytest.mark.slow
def test_two_hours(engine, performed):
    assert check(engine, performed, HOURS) < 20
