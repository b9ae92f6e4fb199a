"""``vocos plugins``: the installed plugins, what they offer, and their problems."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from .options import Json
from .table import table

if TYPE_CHECKING:
    from ...plugins import PluginState

HEADER = ("plugin", "state", "toolkit", "hooks")


def plugins(as_json: Json = False) -> None:
    """List the plugins, their toolkits and what they offer.

    VOCOS_PLUGINS_DISABLE=nemo,coqui disables plugins. Exit code 1: a plugin is broken, or two contradict each other.
    """
    states, problems = survey()
    if as_json:
        typer.echo(json.dumps({"plugins": [asdict(state) for state in states], "problems": problems}, indent=2))
    else:
        typer.echo(table(HEADER, [(s.name, s.state, _toolkit(s), ", ".join(s.hooks)) for s in states]))
    report(problems)
    raise typer.Exit(1 if problems else 0)


def survey() -> tuple[list[PluginState], list[str]]:
    """Returns the states of all plugins, and their problems."""
    from ...plugins import PluginWarning, plugin_states
    from ...plugins import problems as find_problems

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)  # the problems include its message
        return plugin_states(), find_problems()


def report(problems: list[str]) -> None:
    """Writes problems to standard error."""
    for problem in problems:
        typer.secho(problem, fg="red", err=True)


def _toolkit(state: PluginState) -> str:
    if state.toolkit is None:
        return ""
    if state.install is not None:
        return f"{state.toolkit}: {state.install}"
    return f"{state.toolkit} {state.toolkit_version or '(version unknown)'}"
