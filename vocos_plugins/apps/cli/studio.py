"""``vocos studio``: a local page to listen to one's own recordings and mels."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from .options import DEFAULT_MODEL, fail, load_mel_model


def studio(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="A checkpoint that the page offers: a bundled name, a directory, or a repository on the Hugging Face "
            f"hub; may be repeated. By default {DEFAULT_MODEL}.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. The default can only be reached from this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free port.")] = 7860,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="Largest upload, in MB.")] = 50,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = False,
) -> None:
    """Serve a page for listening: drop a recording or a mel, hear Griffin-Lim and Vocos, and see how they differ.

    Stop it with Ctrl-C. Nothing is sent to another machine; uploads are kept in a temporary folder until the end.
    """
    # Not imported here: Gradio reads its temporary folder on import, and the server sets that first.
    if find_spec("gradio") is None:
        fail("the studio needs Gradio, which isn't installed: pip install 'vocos-plugins[studio]'")
    from ..studio.guard import is_loopback
    from ..studio.server import serve

    models = {name: load_mel_model(name, "cpu") for name in model or [DEFAULT_MODEL]}
    if not is_loopback(host):
        typer.secho(
            f"warning: anyone who can reach {_meaning(host)} can use the studio, without a password, and upload files "
            "to this machine. Omit --host to allow only this machine",
            fg="yellow",
            err=True,
        )

    def ready(address: str) -> None:
        typer.echo(f"The studio is at {address} (stop it with Ctrl-C)")
        if open_browser:
            typer.launch(address)

    try:
        serve(models, host=host, port=port, max_upload_mb=max_upload_mb, ready=ready)
    except OSError as error:
        fail(f"can't serve at {host}, port {port}: {error.strerror or error}. --port 0 takes any free port")


def _meaning(host: str) -> str:
    """Words for an address: the unspecified ones stand for all of a machine's."""
    return f"{host}, which is this machine on every network," if host in ("0.0.0.0", "::") else host  # noqa: S104
