"""A guard at the studio's door lets in requests of its own page, and no more uploads than its folder may hold."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from .folder import make_room

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# Uploads of a minute, and all files that are kept: in number, and in units of the largest upload.
UPLOADS_PER_MINUTE, MOST_FILES, MOST_UPLOADS = 60, 200, 10
# Only uploads are large.
MOST_BYTES = 1_000_000
# Of a refused request, whose sender waits until its body is read.
MOST_DISCARDED = 64_000_000


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach a server that is bound to a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Middleware that refuses other sites' requests, and keeps uploads within bounds.

    A browser sends requests of any website to this machine. It names the address under which the page was opened
    (``Host``) and the site that the request comes from (``Origin``).

    Args:
        app: what it guards.
        folder: where uploads are stored; the oldest files in it are removed to make room.
        host: what the server is bound to. Only loopback names lead to a server on a loopback address, which keeps out
            other sites' names that resolve to it (DNS rebinding).
        max_upload_mb: the largest upload.
        listeners: counts the open event streams by session; a job without one has nobody to answer.
    """

    def __init__(self, app: ASGIApp, *, folder: Path, host: str, max_upload_mb: int, listeners: Counter[str]) -> None:
        self.app = app
        self.folder = folder
        self.is_local = is_loopback(host)
        self.max_upload = max_upload_mb * 1_000_000
        self.listeners = listeners
        self.uploads: deque[float] = deque()  # when they began
        self.arriving = 0  # bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refuse_sender(scope, headers) or self._refuse_body(scope, headers)
        if refusal is not None:
            await _answer(receive, send, *refusal)
            return
        session = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[0]
        streams = [session] if session and scope["path"].endswith("/queue/data") else []
        length = int(headers["content-length"]) if _is_upload(scope) else 0
        self.listeners.update(streams)
        self.arriving += length
        try:
            await self.app(scope, receive, send)
        finally:
            self.arriving -= length
            self.listeners.subtract(streams)
            self.listeners += Counter()  # forgets those that are gone

    def _refuse_sender(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Returns a status and a reason; None for a request that this server's page, or a program, has sent."""
        host = headers.get("host", "")
        if self.is_local and not is_loopback(_name(host)):
            return 400, "invalid Host: the studio answers only to this machine's own names"
        foreign = scope["method"] not in SAFE_METHODS and headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if foreign or headers.get("origin", f"http://{host}").partition("://")[2] != host:
            return 403, "another site's request is refused"
        return None

    def _refuse_body(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        if scope["method"] in SAFE_METHODS:
            return None
        if "transfer-encoding" in headers or not headers.get("content-length", "").isdecimal():
            return 411, "the request must say how long it is"
        length = int(headers["content-length"])
        if _is_upload(scope):
            return self._refuse_upload(length)
        return (413, "the request is too large") if length > MOST_BYTES else None

    def _refuse_upload(self, length: int) -> tuple[int, str] | None:
        # The boundaries and headers of a multipart body are small.
        if length > self.max_upload + MOST_BYTES:
            return 413, f"an upload may have at most {self.max_upload // 1_000_000} MB"
        now = time.monotonic()
        while self.uploads and self.uploads[0] < now - 60:
            self.uploads.popleft()
        if len(self.uploads) >= UPLOADS_PER_MINUTE:
            return 429, f"at most {UPLOADS_PER_MINUTE} uploads a minute are accepted; try again in a minute"
        room = MOST_UPLOADS * self.max_upload - self.arriving - length
        if room < 0:
            return 429, "too many uploads at a time; try again when they are complete"
        self.uploads.append(now)
        make_room(self.folder, n_files=MOST_FILES, n_bytes=room)
        return None


def _is_upload(scope: Scope) -> bool:
    return scope["method"] not in SAFE_METHODS and scope["path"].endswith("/upload")


def _name(host: str) -> str:
    """The name in a ``Host`` header, without the port and an address's brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def _answer(receive: Receive, send: Send, status: int, reason: str) -> None:
    """Answers a refused request. Its body is read first: a sender that is cut off never sees the answer."""
    read, more = 0, True
    while more and read < MOST_DISCARDED:
        message = await receive()
        read += len(message.get("body", b""))
        more = message.get("more_body", False)
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode()})
