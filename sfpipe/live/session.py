"""One tab: sound comes in, positions go out."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from sfpipe.audio.pitch import INSTRUMENTS, ToldPitch
from sfpipe.errors import SfpipeError
from sfpipe.live.engine import LiveEngine, LivePosition
from sfpipe.live.sources import NewestSound

MOST_TEXT = 2_000  # characters of a message that is no sound
_LONGEST_S = 86_400.0  # of a stream that goes on
_SLICE_S = 0.05  # of sound followed at once, so that other tabs have their turn


class LiveSession:
    """Answers one connection until it is closed.

    Messages to it are samples (float32, little endian, channels interleaved) and, as JSON, ``open``
    (a new stream: rate, channels), ``place`` (page, x, y), ``pitch`` (a4, semitones: what is null
    is looked for), ``skip`` (seconds of sound that are not sent), ``restart`` and ``end`` (of the
    stream). It answers with positions (``at``),
    ``done`` when a stream has ended, ``error``, and ``refused`` (a pitch that cannot be).

    ``open`` may go on where a broken connection left off: ``time_s`` of the stream, of that
    ``lost_s`` lost so far, and ``strip_x``, where the music is now. Whoever follows keeps these
    three and the score's name, so any process of the server can take over.
    """

    def __init__(self, socket: WebSocket, engine: LiveEngine):
        self.socket, self.engine = socket, engine
        self._queue: NewestSound | None = None
        self._channels, self._rate = 1, 0
        self._arrived = asyncio.Event()
        self._ending = False
        self._lost_before = 0.0  # s, on connections that broke

    async def run(self) -> None:
        """Until the connection is closed."""
        following = asyncio.create_task(self._follow())
        try:
            await self.send(
                "ready", pitch_words=self.engine.at.pitch_words, instruments=INSTRUMENTS
            )
            await self._receive()
        except (WebSocketDisconnect, RuntimeError):  # RuntimeError: it was closed while sending
            pass
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await following

    async def send(self, kind: str, **values: Any) -> None:
        """Send a message."""
        await self.socket.send_text(json.dumps({"type": kind, **values}))

    async def _receive(self) -> None:
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                if message.get("bytes") is not None:
                    self._sound(message["bytes"])
                else:
                    await self._command(message.get("text") or "")
            except SfpipeError as error:
                await self.send("error", text=str(error))
                await self.socket.close(1008)
                return

    def _sound(self, content: bytes) -> None:
        if self._queue is None:
            raise SfpipeError("sound came before 'open'")
        if len(content) % (4 * self._channels):
            raise SfpipeError("a block of sound ends within a sample")
        samples = np.frombuffer(content, "<f4")
        self._queue.put(samples if self._channels == 1 else samples.reshape(-1, self._channels))
        self._arrived.set()

    async def _command(self, text: str) -> None:
        try:
            if len(text) > MOST_TEXT:
                raise ValueError
            command = json.loads(text)
            kind = command["type"]
            if kind == "open":
                self._open(int(command["rate"]), int(command.get("channels", 1)))
                if "strip_x" in command:
                    names = ("time_s", "lost_s", "strip_x")
                    await self._resume(*(float(command[name]) for name in names))
            elif kind == "place":
                await self._place(*(float(command[name]) for name in ("page", "x", "y")))
            elif kind == "pitch":
                await self._pitch(command["a4"], command["semitones"])
            elif kind == "skip":
                self._skip(float(command["seconds"]))
            elif kind == "restart":
                await self._send_position(self.engine.restart())
            elif kind == "end":
                self._ending = True
                self._arrived.set()
            else:
                raise ValueError
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise SfpipeError("a message was not understood") from None

    def _open(self, rate: int, channels: int) -> None:
        self.engine.open(rate, channels)
        self._queue, self._rate, self._channels = NewestSound(rate), rate, channels
        self._ending, self._lost_before = False, 0.0

    def _skip(self, seconds: float) -> None:
        if self._queue is None or not 0 <= seconds <= _LONGEST_S:
            raise ValueError
        self._queue.lose(seconds)

    async def _resume(self, time_s: float, lost_s: float, strip_x: float) -> None:
        if not (0 <= lost_s <= time_s <= _LONGEST_S and math.isfinite(strip_x)):
            raise ValueError
        self._lost_before = lost_s
        width = float(self.engine.page_set.strip.shape[1])
        await self._send_position(self.engine.resume(time_s, min(max(strip_x, 0.0), width)))

    async def _place(self, page: float, x: float, y: float) -> None:
        strip_x = self.engine.page_set.to_strip(int(page), x, y)
        if strip_x is not None:
            await self._send_position(self.engine.place(strip_x))

    async def _pitch(self, a4: float | None, semitones: int | None) -> None:
        try:
            told = ToldPitch(
                a4 if a4 is None else float(a4), semitones if semitones is None else int(semitones)
            )
        except SfpipeError as error:
            await self.send("refused", text=str(error))
            return
        told = replace(told, find=semitones is None)
        if told.find:
            await asyncio.to_thread(lambda: self.engine.listener)  # another agent may be loaded
        await self._send_position(self.engine.tell(told))

    async def _follow(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            queue, size = self._queue, max(round(_SLICE_S * self._rate), 1)
            while queue is not None and queue is self._queue and (block := queue.take(size)):
                if block.lost_s:
                    self.engine.skip(block.lost_s)
                for start in range(0, len(block.samples), size):
                    await self._send_all(self.engine.push, block.samples[start : start + size])
            if self._ending and queue is self._queue:
                self._ending = False
                await self._send_all(self.engine.flush)
                if queue is self._queue:
                    self._queue = None
                await self.send("done")

    async def _send_all(self, advance: Callable[..., list[LivePosition]], *sound: Any) -> None:
        for position in advance(*sound):
            await self._send_position(position)
        await asyncio.sleep(0)

    async def _send_position(self, position: LivePosition) -> None:
        lost_s = round(self._lost_before + (self._queue.lost_s if self._queue else 0.0), 3)
        words = position.pitch_words
        await self.send("at", **position.rounded(), pitch_words=words, lost_s=lost_s)
