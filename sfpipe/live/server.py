"""`sfpipe serve`: a page that follows a score, from this machine and for it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from sfpipe.audio.pitch import NOTHING_TOLD, ToldPitch
from sfpipe.errors import SfpipeError
from sfpipe.following.loaded import LoadedFollower
from sfpipe.following.registry import load_follower
from sfpipe.live.engine import LiveEngine
from sfpipe.live.guard import PICTURE_POLICY, SameOrigin
from sfpipe.live.scores import (
    UPLOAD,
    ScoreShelf,
    SharedScore,
    TooLargeError,
    crisp,
    served_folder,
)
from sfpipe.live.session import LiveSession
from sfpipe.live.workers import Workers
from sfpipe.pages.read import read_pages

WEB = Path(__file__).with_name("web")
EXAMPLE = Path(__file__).with_name("example")
EXAMPLE_SCORE, EXAMPLE_SOUND = EXAMPLE / "minuet.musicxml", EXAMPLE / "minuet.mp3"
KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
PORT = 8642
MOST_SESSIONS = 40  # of one process
MOST_MESSAGE = 1 << 20  # bytes of one WebSocket message
_AT_ONCE = 1  # connections that a process takes in a row, so that others have their share
_WAITING = 512  # connections that wait to be taken


@dataclass(frozen=True)
class Served:
    """What is served, and where.

    Attributes
    ----------
    score:
        Shown at once; None: the page asks for one.
    example:
        Show the package's example at once.
    agent, staves:
        Instead of those that the score asks for.
    told:
        How much higher the music sounds than it is written.
    anywhere:
        Whether the music may go on anywhere in the score.
    """

    score: Path | None = None
    example: bool = False
    agent: str | None = None
    staves: int | None = None
    host: str = "127.0.0.1"
    told: ToldPitch = NOTHING_TOLD
    anywhere: bool = True


class LiveServer:
    """The routes, and what they share.

    Parameters
    ----------
    folder:
        Of the prepared scores, which other processes may serve, too.
    first:
        Name of the score there that is shown at once.
    """

    def __init__(self, served: Served, folder: Path, first: str | None = None):
        self.served, self.shelf, self._first = served, ScoreShelf(folder), first
        self._sessions = 0
        self._loaded: dict[str, LoadedFollower] = {}

    @property
    def app(self) -> Callable:
        """The ASGI application."""
        routes = [
            Route("/", self._file(WEB / "index.html")),
            *(Route(f"/{file.name}", self._file(file)) for file in sorted(WEB.iterdir())),
            Route("/example.mp3", self._file(EXAMPLE_SOUND, "audio/mpeg")),
            Route("/scores", self.first, methods=["GET"]),
            Route("/scores", self.upload, methods=["POST"]),
            Route("/scores/example", self.example, methods=["POST"]),
            Route("/scores/{key}/pages/{number:int}", self.page),
            WebSocketRoute("/follow/{key}", self.follow),
        ]
        app = Starlette(routes=routes, lifespan=self._lifespan)
        return SameOrigin(app, self.served.host)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        torch.set_num_threads(1)  # tabs share the cores
        self.shelf.start()
        with ExitStack() as stack:
            if self._first:
                stack.enter_context(self.shelf.hold(self._first))  # it stays
            yield
        self.shelf.close()

    @staticmethod
    def _file(path: Path, kind: str | None = None) -> Callable:
        async def serve(request: Request) -> Response:
            return FileResponse(path, media_type=kind or KINDS[path.suffix])

        return serve

    async def first(self, request: Request) -> Response:
        """The score that the server was started with."""
        score = self.shelf.get(self._first) if self._first else None
        return JSONResponse(score.described if score else None)

    async def upload(self, request: Request) -> Response:
        """Take a score: the body is the file, ``name`` its name."""
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > UPLOAD.file_bytes:
            return _refusal(TooLargeError(f"has more than {UPLOAD.file_bytes >> 20} MiB"))
        try:
            name = request.query_params.get("name", "")
            score = await self.shelf.add_upload(name, request.stream())
        except SfpipeError as error:
            return _refusal(error)
        return JSONResponse(score.described)

    async def example(self, request: Request) -> Response:
        """The example of the package."""
        try:
            return JSONResponse((await self.shelf.add_file(EXAMPLE_SCORE)).described)
        except SfpipeError as error:
            return _refusal(error)

    async def page(self, request: Request) -> Response:
        """A page as a picture, in which no script runs."""
        score = self.shelf.get(request.path_params["key"])
        number = request.path_params["number"]
        if score is None or not 0 <= number < len(score.page_set.pages):
            return Response(status_code=404)
        page = score.page_set.pages[number]
        content = crisp(page.svg) if page.svg else page.image
        headers = {"content-security-policy": PICTURE_POLICY}
        return Response(content, media_type=page.media_type, headers=headers)

    async def follow(self, websocket: WebSocket) -> None:
        """One tab that follows a score."""
        await websocket.accept()
        if self._sessions >= MOST_SESSIONS:
            await websocket.close(1013, "too many follow at once")
            return
        self._sessions += 1
        try:
            with self.shelf.hold(websocket.path_params["key"]) as score:
                if score is None:
                    await websocket.close(4404, "the score is gone: open it again")
                    return
                engine = await asyncio.to_thread(self._engine, score)
                await LiveSession(websocket, engine).run()
        except SfpipeError as error:
            await websocket.close(4400, str(error)[:120])
        finally:
            self._sessions -= 1

    def _engine(self, score: SharedScore) -> LiveEngine:
        name = self.served.agent or score.page_set.agent
        if name not in self._loaded:
            self._loaded[name] = load_follower(name, deterministic=True)
        # The weights are the same for all, what it has heard is its own.
        own = replace(self._loaded[name])
        told, anywhere = self.served.told, self.served.anywhere
        return LiveEngine(score.page_set, own, told, anywhere=anywhere)


def _refusal(error: SfpipeError) -> Response:
    """Why not, for the eye; what comes after is not read."""
    status = 413 if isinstance(error, TooLargeError) else 422
    headers = {"connection": "close"}
    return JSONResponse({"error": str(error)}, status_code=status, headers=headers)


def bind(host: str, port: int | None) -> socket.socket:
    """A socket that listens; without a port the usual one, or any if that is taken.

    Raises
    ------
    SfpipeError
        If the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last: OSError | None = None
    for number in (PORT, 0) if port is None else (port,):
        listening = socket.socket(family)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, number))
            listening.listen()  # until then another server may bind the same
        except (OSError, OverflowError) as error:
            listening.close()
            last = error if isinstance(error, OSError) else OSError(str(error))
        else:
            return listening
    remedy = "name another --host" if isinstance(last, socket.gaierror) else "name another --port"
    raise SfpipeError(f"cannot listen on {host} port {port or PORT} ({last})", remedy=remedy)


def serve(
    served: Served,
    port: int | None = None,
    *,
    workers: int = 1,
    certificate: Path | None = None,
    key: Path | None = None,
    ready: Callable[[str], None] = print,
) -> None:
    """Serve until it is interrupted.

    Parameters
    ----------
    workers:
        Processes that share the sessions, where one is too little.
    certificate, key:
        PEM files, for https.
    ready:
        Is given the address once it answers.

    Raises
    ------
    SfpipeError
        If the address or the certificate cannot be used, or the score cannot be read.
    """
    _check_certificate(certificate, key)
    listening = bind(served.host, port)
    shown = "localhost" if served.host in ("127.0.0.1", "::1") else socket.gethostname()
    address = f"http{'s' if certificate else ''}://{shown}:{listening.getsockname()[1]}/"
    with served_folder() as folder:
        process = _Process(served, folder, _keep_first(served, folder), certificate, key)
        if workers > 1:
            Workers(process, listening, workers).run(lambda: ready(address))
        else:
            process(listening, lambda: ready(address))


def _keep_first(served: Served, folder: Path) -> str | None:
    """Name on the shelf of the score that is shown at once."""
    if served.agent:
        load_follower(served.agent, deterministic=True)  # says so now if there is none
    path = EXAMPLE_SCORE if served.example else served.score
    if path is None:
        return None
    page_set = read_pages(path, staves=served.staves)
    return str(ScoreShelf(folder).keep(page_set, path.name).described["key"])


@dataclass(frozen=True)
class _Process:
    """What one process of the server does."""

    served: Served
    folder: Path
    first: str | None
    certificate: Path | None
    key: Path | None

    def __call__(
        self,
        listening: socket.socket,
        started: Callable[[], None],
        ending: threading.Event | None = None,
    ) -> None:
        """Serve at `listening`; `ending` ends it, as SIGTERM does."""
        config = uvicorn.Config(
            LiveServer(self.served, self.folder, self.first).app,
            log_level="warning",
            ws="websockets-sansio",
            ws_max_size=MOST_MESSAGE,
            ws_per_message_deflate=False,
            limit_concurrency=200,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=2,
            ssl_certfile=self.certificate and str(self.certificate),
            ssl_keyfile=self.key and str(self.key),
            lifespan="on",
            server_header=False,
            loop="asyncio",
            backlog=_AT_ONCE,
        )
        server = _Announcing(config, started)
        if ending is not None:
            threading.Thread(target=_end_when, args=(ending, server), daemon=True).start()
        server.run(sockets=[listening])


def _end_when(ending: threading.Event, server: uvicorn.Server) -> None:
    ending.wait()
    server.should_exit = True


def _check_certificate(certificate: Path | None, key: Path | None) -> None:
    if certificate is None and key is None:
        return
    remedy = "name PEM files that belong together: --certificate FILE --key FILE"
    if certificate is None:
        raise SfpipeError("a key without its certificate", file=key, remedy=remedy)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:  # ssl's own, too
        what = f"cannot be used as a certificate ({error.strerror or error})"
        raise SfpipeError(what, file=certificate, remedy=remedy) from None


class _Announcing(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]):
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As of `uvicorn.Server`."""
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(_WAITING)  # asyncio has set the one number for both
        if self.started:
            self._tell()
