"""The ``vocos`` command with all of its subcommands."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from ... import __version__
from ..batch.jobs import describe
from .bench import bench
from .certify import certify
from .compiling import compile_model
from .conventions import conventions
from .convert import convert
from .decode import decode
from .demo import demo
from .doctor import doctor
from .enable import disable, enable
from .encode import encode
from .evaluate import evaluate
from .export import export
from .options import fail
from .plugins import plugins
from .postfilter import postfilter
from .resynth import resynth
from .studio import studio
from .train import train


class Commands(TyperGroup):
    """The commands; what the system refuses, and no command has foreseen, ends each of them with one line."""

    def invoke(self, ctx: Any) -> Any:
        """Runs a command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # of standard output: click ends the command in silence
            raise
        except (OSError, MemoryError) as error:
            fail(describe(error), code=1)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    *(demo, studio, resynth, decode, encode, convert, train, postfilter, certify, bench),
    *(doctor, export, enable, disable, conventions, plugins),
)
for command in COMMANDS:
    app.command()(command)
# Their functions have other names, since `eval` and `compile` are builtins of Python.
app.command("compile")(compile_model)
app.command("eval")(evaluate)


def print_version(wanted: bool) -> None:
    """Prints the version and ends the command."""
    if wanted:
        typer.echo(f"vocos-plugins {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    """Vocos: a fast neural vocoder for speech synthesis toolkits."""


def main() -> None:
    """Entry point of the ``vocos`` command."""
    warnings.showwarning = show_warning
    app(prog_name="vocos")


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Prints a warning of this package as a sentence, and any other one as Python does, with its source line."""
    ours = category.__module__.startswith("vocos_") or "vocos_plugins" in Path(filename).parts
    if not ours:
        (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))
        return
    typer.secho(f"warning: {message}", fg="yellow", err=True, file=file)
