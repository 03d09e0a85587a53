"""Following live: the engine's work, latency at the server, and what comes before the music."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soxr
import torch
from PIL import Image
from websockets.asyncio.client import connect

from benchmarks.table import Bench, Row
from sfpipe.live.engine import LiveEngine
from sfpipe.live.server import EXAMPLE_SCORE, EXAMPLE_SOUND
from sfpipe.live.sources import recording
from sfpipe.pages.read import read_pages
from tests.pages.music import musicxml
from tests.pages.printed import verovio_pages

RATE, BLOCK = 48_000, 512  # what a browser sends: stereo, 10.7 ms
FRAME = RATE // 20
SECONDS = 20.0
SESSIONS = (1, 8)
THREE_PAGES = 100  # bars of piano music
_FIRST = 5  # frames


def bench_live(bench: Bench, root: Path) -> None:
    """As a browser plays the package's example to the server."""
    torch.set_num_threads(1)
    sound = example()
    engine = LiveEngine(read_pages(EXAMPLE_SCORE))
    whole = Row("live: engine, a frame of 50 ms, processor", "ms")
    first = Row(f"live: engine, first {_FIRST} frames, the slowest", "ms")
    other = Row("live: engine, all others, p99", "ms")
    for _ in range(bench.rounds):
        whole.ours.append(processor_ms(engine, sound))
        took = block_ms(LiveEngine(engine.page_set), sound)
        first.ours.append(max(took[:_FIRST]))
        other.ours.append(float(np.quantile(took[_FIRST:], 0.99)))
    for row in (whole, first, other):
        bench.show(row)
    answers = answered_after(engine, sound[: round(SECONDS * RATE)])
    with served() as (address, _):
        for sessions in SESSIONS:
            took = asyncio.run(latencies_ms(address, sessions, sound, answers))
            for name, share in (("p50", 0.5), ("p99", 0.99)):
                row = Row(f"live: samples to message, {sessions} following, {name}", "ms")
                row.ours.append(float(np.quantile(took, share)))
                bench.show(row)
        ready = Row("live: PDF of three pages dropped, until ready", "s")
        document = three_pages()
        ready.ours += [asyncio.run(ready_s(address, document)) for _ in range(bench.rounds)]
        bench.show(ready)


def example() -> np.ndarray:
    """The package's performance as a browser sends it, float32 [shape=(n, 2)]."""
    with recording(EXAMPLE_SOUND) as source:
        mono = np.concatenate([block.samples for block in source.blocks()])[:, 0]
    mono = soxr.resample(mono, source.rate, RATE).astype(np.float32)
    return np.column_stack([mono, mono])


def processor_ms(engine: LiveEngine, sound: np.ndarray) -> float:
    """Processor time of a frame, in blocks as they come from a browser."""
    engine.open(RATE, 2)
    began, frames = time.process_time(), 0
    for start in range(0, len(sound), BLOCK):
        frames += len(engine.push(sound[start : start + BLOCK]))
    return 1e3 * (time.process_time() - began) / frames


def block_ms(engine: LiveEngine, sound: np.ndarray) -> list[float]:
    """How long a new engine takes for each 50 ms, by the clock."""
    engine.open(RATE, 2)
    took = []
    for start in range(0, len(sound) - FRAME, FRAME):
        began = time.perf_counter()
        engine.push(sound[start : start + FRAME])
        took.append(1e3 * (time.perf_counter() - began))
    return took


def answered_after(engine: LiveEngine, sound: np.ndarray) -> list[int]:
    """For each position the number of the block that completes its frame."""
    engine.open(RATE, 2)
    starts = range(0, len(sound), BLOCK)
    return [i for i, start in enumerate(starts) for _ in engine.push(sound[start : start + BLOCK])]


@contextmanager
def served(*options: str) -> Iterator[tuple[str, int]]:
    """A server of its own process: its address and its number."""
    arguments = ["serve", "--port", "0", *options]
    code = f"import sys; sys.argv[1:] = {arguments!r}; import sfpipe.cli as c; c.main()"
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.terminate()
        process.wait(20)


async def latencies_ms(
    address: str, sessions: int, sound: np.ndarray, answers: list[int]
) -> np.ndarray:
    """From the sending of the last samples of a frame to the arrival of its position."""
    key = json.loads(_post(address + "scores/example", b""))["key"]
    url = f"{address.replace('http', 'ws')}follow/{key}"
    # They begin at different times, as people do.
    each = [_latencies(url, 0.05 * i / sessions, sound, answers) for i in range(sessions)]
    return 1e3 * np.concatenate(await asyncio.gather(*each))


async def _latencies(url: str, after_s: float, sound: np.ndarray, answers: list[int]) -> np.ndarray:
    async with connect(url) as socket:
        await socket.recv()
        await asyncio.sleep(after_s)
        await socket.send(json.dumps({"type": "open", "rate": RATE, "channels": 2}))
        sent, arrived = np.zeros(answers[-1] + 1), np.zeros(len(answers))

        async def play() -> None:
            began = time.perf_counter()
            for i in range(len(sent)):
                due = began + (i + 1) * BLOCK / RATE
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                content = sound[i * BLOCK : (i + 1) * BLOCK].tobytes()
                sent[i] = time.perf_counter()
                await socket.send(content)

        playing = asyncio.create_task(play())
        for i in range(len(answers)):
            message = json.loads(await socket.recv())
            arrived[i] = time.perf_counter()
            assert message["type"] == "at" and message["lost_s"] == 0
        await playing
    return arrived - sent[answers]


async def ready_s(address: str, document: bytes) -> float:
    """From sending a document to being ready to follow."""
    began = time.perf_counter()
    key = json.loads(_post(address + "scores?name=score.pdf", document))["key"]
    async with connect(f"{address.replace('http', 'ws')}follow/{key}") as socket:
        assert json.loads(await socket.recv())["type"] == "ready"
    return time.perf_counter() - began


def three_pages() -> bytes:
    """Piano music as a scanned PDF of 200 dpi."""
    pages = verovio_pages(musicxml(THREE_PAGES), "Leipzig")[:3]
    assert len(pages) == 3
    pictures = [Image.fromarray(page.image(200)) for page in pages]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "score.pdf"
        pictures[0].save(path, save_all=True, append_images=pictures[1:], resolution=200)
        return path.read_bytes()


def _post(url: str, content: bytes) -> bytes:
    request = urllib.request.Request(url, content, method="POST")
    with urllib.request.urlopen(request, timeout=120) as answer:
        body: bytes = answer.read()
    return body
