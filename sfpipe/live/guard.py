"""Who may talk to the server: pages that it sent itself, at an address that it serves."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Application = Callable[[Message, Callable[..., Any], Callable[..., Any]], Awaitable[None]]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Nothing is loaded from elsewhere; what is shown cannot run scripts.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' "
    "blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class SameOrigin:
    """Refuses requests for other hosts, and those that pages of other sites make.

    A site that someone visits could otherwise use this server: by a name that it points at this
    machine (the Host then is that name), or by a request from its own page (the Origin is its own).

    Parameters
    ----------
    host:
        That the server listens on. If it is not this machine alone, numbers and this machine's name
        are taken as Host, too.
    """

    def __init__(self, app: Application, host: str = "127.0.0.1"):
        self.app, self.open = app, host not in LOOPBACK
        name = socket.gethostname().lower()
        self.names = {*LOOPBACK, host, *((name, f"{name}.local") if self.open else ())}

    async def __call__(
        self, scope: Message, receive: Callable[..., Any], send: Callable[..., Any]
    ) -> None:
        """Answer, or hand on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {k.lower(): v.decode("latin-1") for k, v in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if self._serves(host) and (origin is None or urlsplit(origin).netloc == host):
            await self.app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"not from here\n"})

    def _serves(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.open


def _with_headers(send: Callable[..., Any]) -> Callable[..., Any]:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in message.get("headers", [])}
            more = HEADERS | {"content-security-policy": POLICY}
            message["headers"] = [
                *message.get("headers", []),
                *((k.encode(), v.encode()) for k, v in more.items() if k.encode() not in own),
            ]
        await send(message)

    return send_with_headers
