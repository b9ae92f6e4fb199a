"""``vocos enable`` and ``vocos disable``: whether a toolkit's own commands can use Vocos in this environment."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import fail, find_adapter

Toolkit = Annotated[str, typer.Argument(metavar="TOOLKIT", help="coqui, vocos, or another plugin's toolkit.")]


def enable(toolkit: Toolkit) -> None:
    """Let a toolkit's own commands use Vocos. Writes one line that Python runs when it starts."""
    _set_enabled(toolkit, True)


def disable(toolkit: Toolkit) -> None:
    """Undo `vocos enable`."""
    _set_enabled(toolkit, False)


def _set_enabled(toolkit: str, enabled: bool) -> None:
    adapter = find_adapter(toolkit)
    try:
        file, changed = adapter.set_enabled(enabled)
    except (ValueError, OSError) as error:
        fail(str(error))
    if enabled:
        typer.echo(f"{'wrote' if changed else 'already there:'} {file}; `vocos disable {toolkit}` removes it")
    else:
        typer.echo(f"removed {file}" if changed else f"nothing to do: there is no {file}")
