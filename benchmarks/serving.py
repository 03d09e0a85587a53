"""Many who follow at once: what is left out, how old positions are, and what it takes.

``python -m benchmarks.serving --sessions 1 10 50 --workers 1 2``. The age of a position is how much
later it arrives than the sound was sent that it is of. With ``--speed 4`` sound comes four times as
fast as it is played, which no machine of two cores can follow for 50. (The other side is one
process, which must not be the one that is late: how late it was is printed, too.)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import dataclass

import numpy as np
import psutil
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.live import BLOCK, RATE, _post, example, served
from sfpipe.live.tracking import BeliefTracker
from sfpipe.store.schema import FPS

LEAD_S = BeliefTracker.lead_frames / FPS  # positions are of so much later


@dataclass
class Session:
    """What one connection was told: when positions arrived, their ages and what was lost, s."""

    arrived: np.ndarray
    age: np.ndarray
    sent_s: float  # of the stream, with what was skipped
    end_s: float  # the last position's time: all sound, followed or lost
    lost_s: float
    late: float  # at most, that this side sent after it was due


@dataclass
class Load:
    """What so many sessions took.

    Attributes
    ----------
    sessions:
        Each.
    cpu:
        Processor seconds of the server, per second of the clock.
    mib:
        Of the server's processes, after each second.
    """

    sessions: list[Session]
    cpu: float
    mib: list[float]

    @property
    def lost(self) -> float:
        """Share of the sound that was left out."""
        return sum(s.lost_s for s in self.sessions) / sum(s.sent_s for s in self.sessions)

    def age(self, share: float, *, from_s: float = 0.0, to_s: float = np.inf) -> float:
        """A quantile of the positions' ages, s, of those that arrived between two times."""
        ages = [s.age[(s.arrived >= from_s) & (s.arrived < to_s)] for s in self.sessions]
        return float(np.quantile(np.concatenate(ages), share))


async def load(
    address: str, server: int, sessions: int, seconds: float, speed: float, sound: np.ndarray
) -> Load:
    """Sessions that all follow the package's example, at different places of it."""
    key = json.loads(_post(address + "scores/example", b""))["key"]
    url = f"{address.replace('http', 'ws')}follow/{key}"
    sockets = []
    for _ in range(sessions):
        socket = await connect(url, open_timeout=120, ping_timeout=None)
        assert json.loads(await socket.recv())["type"] == "ready"
        sockets.append(socket)
    family = [psutil.Process(server), *psutil.Process(server).children(recursive=True)]
    mib: list[float] = []

    async def watch() -> None:
        while True:
            mib.append(sum(process.memory_info().rss for process in family) / 2**20)
            await asyncio.sleep(1)

    watching = asyncio.create_task(watch())
    before, began = processor_s(family), time.perf_counter()
    blocks = [sound[i : i + BLOCK].tobytes() for i in range(0, len(sound) - BLOCK, BLOCK)]
    told = []
    for i, socket in enumerate(sockets):
        first = len(blocks) * i // (2 * sessions)
        told.append(_session(socket, blocks[first:] + blocks, seconds, speed, 0.3 * i / sessions))
    done = await asyncio.gather(*told)
    cpu = (processor_s(family) - before) / (time.perf_counter() - began)
    watching.cancel()
    for socket in sockets:
        await socket.close()
    return Load(list(done), cpu, mib)


def processor_s(family: list[psutil.Process]) -> float:
    """What these processes have computed."""
    return sum(sum(process.cpu_times()[:2]) for process in family)


async def _session(
    socket: ClientConnection, sound: list[bytes], seconds: float, speed: float, after_s: float
) -> Session:
    await asyncio.sleep(after_s)
    await socket.send(json.dumps({"type": "open", "rate": RATE, "channels": 2}))
    began, block_s = time.perf_counter(), BLOCK / RATE
    sent, late = np.zeros(round(seconds / block_s)), 0.0
    stream = _Stream()

    async def play() -> None:
        nonlocal late
        for i in range(len(sent)):
            due = began + (i + 1) * block_s / speed
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            sent[i] = time.perf_counter()
            late = max(late, sent[i] - due)
            skipped = stream.add(block_s)
            if skipped is None:
                continue
            if skipped:
                await socket.send(json.dumps({"type": "skip", "seconds": skipped}))
            await socket.send(sound[i % len(sound)])
        await socket.send(json.dumps({"type": "end"}))

    playing = asyncio.create_task(play())
    arrived, age, lost, end = [], [], 0.0, 0.0
    while (message := json.loads(await socket.recv()))["type"] != "done":
        now = time.perf_counter()
        newest = min(int((message["time_s"] - LEAD_S) / block_s), len(sent) - 1)
        arrived.append(now - began)
        age.append(now - (sent[newest] or now))
        lost, end = message["lost_s"], message["time_s"]
        stream.answer(end)
    await playing
    arrived_s, age_s = np.array(arrived), np.array(age)
    sounding = arrived_s < len(sent) * block_s / speed  # afterwards the rest is followed
    lost += stream.skipped_s  # at the end, not told
    return Session(arrived_s[sounding], age_s[sounding], stream.sent_s, end, lost, late)


class _Stream:
    """What the page keeps of a stream (`send` in `app.js`): what a server is late by is skipped."""

    most_s = 2.0

    def __init__(self) -> None:
        self.sent_s = self.answered_s = self.skipped_s = 0.0
        self._ahead = False

    def add(self, block_s: float) -> float | None:
        """Seconds to be skipped before the next block; None: it is skipped itself."""
        most = self.most_s / 2 if self._ahead else self.most_s
        self._ahead = self.sent_s - self.answered_s > most
        if self._ahead:
            self.skipped_s += block_s
            return None
        skipped, self.skipped_s = self.skipped_s, 0.0
        self.sent_s += skipped + block_s
        self.answered_s += skipped
        return skipped

    def answer(self, time_s: float) -> None:
        """A position of this time came."""
        self.answered_s = min(max(self.answered_s, time_s), self.sent_s)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--speed", type=float, default=1)
    options = parser.parse_args()
    sound = example()
    print(
        "| processes | sessions | left out | age p50, p99, ms | processors | MiB, first and last |"
    )
    print("|---:|---:|---:|---:|---:|---:|")
    for workers in options.workers:
        with served("--workers", str(workers)) as (address, server):
            for n in options.sessions:
                seconds = options.seconds * options.speed
                got = asyncio.run(load(address, server, n, seconds, options.speed, sound))
                ages = ", ".join(f"{1e3 * got.age(share):.0f}" for share in (0.5, 0.99))
                late = 1e3 * max(session.late for session in got.sessions)
                print(
                    f"| {workers} | {n} | {got.lost:.1%} | {ages} | {got.cpu:.2f} "
                    f"| {got.mib[0]:.0f} to {got.mib[-1]:.0f} | {late:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
