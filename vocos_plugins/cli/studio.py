"""``vocos studio``: a page on this machine to listen to one's own recordings and mels."""

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
            help="A checkpoint to choose from: a bundled name, a directory, or a repository of the hub; may be given "
            f"again. {DEFAULT_MODEL} by default.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to bind to; by default only this machine reaches it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 7860,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="The largest file that is taken, MB.")] = 50,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = False,
) -> None:
    """Serve a page to listen on: drop a recording or a mel, hear Griffin-Lim and Vocos, and see how they differ.

    Ctrl-C ends it. Nothing is sent to another machine; what is uploaded lies in a temporary folder until the end.
    """
    if find_spec("gradio") is None:
        fail("the studio needs Gradio, which isn't installed: pip install 'vocos-plugins[studio]'")
    from ..studio.server import is_loopback, serve

    models = {name: load_mel_model(name, "cpu") for name in model or [DEFAULT_MODEL]}
    if not is_loopback(host):
        typer.secho(
            f"warning: everybody who can reach {host} can use the studio, and upload files to this machine. "
            "Without --host only this machine can",
            fg="yellow",
            err=True,
        )

    def ready(address: str) -> None:
        typer.echo(f"The studio is at {address} (Ctrl-C ends it)")
        if open_browser:
            typer.launch(address)

    try:
        serve(models, host=host, port=port, max_upload_mb=max_upload_mb, ready=ready)
    except OSError as error:
        fail(f"can't serve at {host}, port {port}: {error.strerror or error}. --port 0 takes any port that is free")
