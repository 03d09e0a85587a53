"""Several processes that serve one address; one that dies is replaced at once."""

from __future__ import annotations

import multiprocessing
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType

from sfpipe.errors import SfpipeError

DEALT = sys.platform == "linux"
_ENDING_S = 5.0  # that a process is given to end
_SPAWN = multiprocessing.get_context("spawn")

# Serves at a socket; says when it answers, and is asked by the event to end.
Serve = Callable[[socket.socket, Callable[[], None], threading.Event], None]


class Workers:
    """Processes that serve one address.

    Under Linux each has a socket of its own, and the system deals connections out evenly.
    Elsewhere they share one, and whichever is ready first takes a connection. There it stays.

    Parameters
    ----------
    serve:
        What each process does; picklable.
    count:
        Of processes.
    """

    def __init__(self, serve: Serve, listening: socket.socket, count: int):
        self._serve, self._listening, self._count = serve, listening, count
        if DEALT:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.shutdown(socket.SHUT_RD)  # it keeps the address, the others listen
        self._running: dict[int, BaseProcess] = {}  # by sentinel
        self._ended = False

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until this process is interrupted or terminated.

        Parameters
        ----------
        ready:
            Called once, when all answer.

        Raises
        ------
        SfpipeError
            If a process ends before it answers.
        """
        before = {
            number: signal.signal(number, self._end) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            answering = [self._start() for _ in range(self._count)]
            for connection in answering:
                self._await(connection)
            if not self._ended:
                ready()
            while not self._ended:
                for sentinel in wait(list(self._running), timeout=0.5):
                    assert isinstance(sentinel, int)
                    self._running.pop(sentinel).join()
                    if not self._ended:
                        self._await(self._start())
        finally:
            self._stop()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _start(self) -> Connection:
        here, there = _SPAWN.Pipe(duplex=False)
        process = _SPAWN.Process(target=_work, args=(self._serve, self._listening, there))
        process.start()
        there.close()
        self._running[process.sentinel] = process
        return here

    def _await(self, answering: Connection) -> None:
        """Until a process answers; others may die meanwhile, and are replaced afterwards."""
        with answering:
            while not self._ended:
                if answering.poll(0.2):
                    try:
                        answering.recv()
                    except EOFError:
                        raise SfpipeError("a process of the server ended at its start") from None
                    return

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._ended = True

    def _stop(self) -> None:
        for process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + _ENDING_S
        for process in self._running.values():
            process.join(max(deadline - time.monotonic(), 0))
            if process.is_alive():
                process.kill()
                process.join()
        self._running.clear()


def _work(serve: Serve, listening: socket.socket, answering: Connection) -> None:
    """In a process of its own: serve, and end with the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the first tells us
    ending = threading.Event()
    with_parent(ending.set)
    if DEALT:
        own = socket.socket(listening.family)
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            own.setsockopt(socket.SOL_SOCKET, option, 1)
        own.bind(listening.getsockname())
        listening.close()
        listening = own
    serve(listening, lambda: answering.send(None), ending)


def with_parent(end: Callable[[], None]) -> None:
    """Call `end` when the process that started this one is no more, however it ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        end()

    threading.Thread(target=watch, daemon=True).start()
