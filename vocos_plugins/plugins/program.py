"""Runs a script that its user can't edit, after a change to the process that it runs in."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Callable
from pathlib import Path


def run_program(program: str, description: str, prepare: Callable[[], None]) -> None:
    """Runs the command line of an adapter's ``run`` module, as if the script had been started directly.

    Args:
        program: the module's dotted name.
        description: for the help.
        prepare: what to do in this process before the script starts.

    Raises:
        SystemExit: 2 for wrong usage, or as raised by ``prepare`` and by the script.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("-m", action="store_true", dest="is_module", help="run a module instead")
    parser.add_argument("script", help="path of the script, or name of the module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments for the script")
    arguments = parser.parse_args()
    if not arguments.is_module and not Path(arguments.script).is_file():
        parser.error(f"there is no script {arguments.script}")
    prepare()
    sys.argv = [arguments.script, *arguments.arguments]
    if arguments.is_module:
        runpy.run_module(arguments.script, run_name="__main__", alter_sys=True)
    else:
        # As Python does for a script: its neighbours are importable, the working directory is not.
        sys.path[0] = str(Path(arguments.script).resolve().parent)
        runpy.run_path(arguments.script, run_name="__main__")
