"""Serves the page, by default to this machine only, with bounded uploads and one temporary folder that is cleared."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ...model import Vocos
from .folder import temporary_folder
from .guard import Guard, is_loopback

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

NO_DESCRIPTION: dict[str, Any] = {"docs_url": None, "redoc_url": None, "openapi_url": None}  # no API pages
GRACE_S = 1  # for open requests when the studio ends; an open page keeps a connection
# Gradio's page requests fonts and scripts from other servers; this policy makes the browser refuse them.
# 'unsafe-inline' and 'unsafe-eval' are for Gradio's own page (6.31), which has inline scripts and calls eval.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


def serve(
    models: Mapping[str, Vocos], *, host: str, port: int, max_upload_mb: int, ready: Callable[[str], None]
) -> None:
    """Serves the page until SIGINT, SIGTERM or SIGHUP, then removes the temporary folder.

    Args:
        models: the checkpoints to choose from, by name.
        host: name or address to bind to.
        port: port to bind to; 0 for any free one.
        max_upload_mb: the largest accepted file.
        ready: called with the page's address once connections are accepted.

    Raises:
        OSError: the address can't be bound to.
    """
    # In this order: a signal must clean up whatever exists, and a port in use is reported before Gradio is loaded.
    with _ended_by_signals(), listening(host, port) as listener, temporary_folder() as folder:
        import uvicorn  # comes with Gradio, which is an extra

        class Server(uvicorn.Server):
            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                # Cutting off an open page's connection would log a traceback.
                logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
                await super().shutdown(sockets)

        forbid_connections()
        app = build_app(models, folder, host=host, max_upload_mb=max_upload_mb)
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=GRACE_S, ws="none", server_header=False
        )
        name = f"[{host}]" if ":" in host else host
        ready(f"http://{name}:{listener.getsockname()[1]}/")
        Server(config).run(sockets=[listener])


def forbid_connections() -> None:
    """Makes this process refuse all connections to other machines from now on.

    A request can name an address instead of an upload, and Gradio would fetch it.
    """

    def check(event: str, arguments: tuple[Any, ...]) -> None:
        # Addresses of Unix sockets are text, and never leave this machine.
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            host = arguments[1][0]
        elif event == "socket.getaddrinfo":
            host = arguments[0]
        else:
            return
        name = host.decode() if isinstance(host, bytes) else host
        if name and not is_loopback(name):
            raise PermissionError(f"the studio does not connect to other machines; refused: {name}")

    # A hook applies to every library in this process, and can't be removed again.
    sys.addaudithook(check)


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Binds a socket and starts to listen, so that early connections wait in its queue.

    Raises:
        OSError: the host isn't known or isn't this machine, or the port is already in use.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # A restarted studio can bind to the port while old connections are in TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
        yield listener


def build_app(models: Mapping[str, Vocos], folder: Path, *, host: str, max_upload_mb: int) -> FastAPI:
    """Builds the application; call it inside `temporary_folder`, since Gradio reads its folder when it is imported."""
    import gradio as gr
    from fastapi import FastAPI
    from starlette.middleware import Middleware

    from .page import THEME, build_page

    listeners: Counter[str] = Counter()
    guard = Middleware(Guard, folder=folder, host=host, max_upload_mb=max_upload_mb, listeners=listeners)
    app = FastAPI(middleware=[Middleware(_Headers), guard], **NO_DESCRIPTION)
    page = build_page(models, max_upload_mb, listeners)
    # Mounting leaves it unset, and Gradio would then accept any file of this machine that a request names as an upload.
    page.has_launched = True
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        app_kwargs=NO_DESCRIPTION,
        server_name=host,
        footer_links=[],
        run_history=False,  # it would keep all audio in the browser
        allowed_paths=[],
        show_error=False,
        max_file_size=f"{max_upload_mb}mb",
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=THEME,
    )
    return app


class _Headers:
    """Middleware that adds `HEADERS` to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await self.app(scope, receive, send_with_headers)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP end the block like Ctrl-C, so that its resources are cleaned up.

    While uvicorn runs, it handles SIGTERM itself to shut down in order, and raises it again afterwards.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            raise KeyboardInterrupt
        # uvicorn handles SIGINT and SIGTERM, but not SIGHUP, which a closed terminal sends.
        signal.raise_signal(signal.SIGTERM)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
