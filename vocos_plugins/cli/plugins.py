"""``vocos plugins``: what is installed, what it offers and what is wrong with it."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from .options import Json
from .table import table

if TYPE_CHECKING:
    from ..plugins import PluginState

HEADER = ("plugin", "state", "toolkit", "hooks")


def plugins(as_json: Json = False) -> None:
    """List the plugins with what they offer, and the toolkits that they are for.

    VOCOS_PLUGINS_DISABLE=nemo,coqui switches plugins off. Exit code 1: one is broken, or two contradict each other.
    """
    states, found = survey()
    if as_json:
        typer.echo(json.dumps({"plugins": [asdict(state) for state in states], "problems": found}, indent=2))
    else:
        typer.echo(table(HEADER, [(s.name, s.state, _toolkit(s), ", ".join(s.hooks)) for s in states]))
    report(found)
    raise typer.Exit(1 if found else 0)


def survey() -> tuple[list[PluginState], list[str]]:
    """All plugins, and what is wrong with them."""
    from ..plugins import PluginWarning, plugin_states, problems

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)  # what it says is among the problems
        return plugin_states(), problems()


def report(found: list[str]) -> None:
    """Writes problems to standard error."""
    for problem in found:
        typer.secho(problem, fg="red", err=True)


def _toolkit(state: PluginState) -> str:
    if state.toolkit is None:
        return ""
    if state.install is not None:
        return f"{state.toolkit}: {state.install}"
    return f"{state.toolkit} {state.toolkit_version or '(version unknown)'}"
