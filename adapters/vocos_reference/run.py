"""Runs a script that you can't edit, with this implementation in place of the package ``vocos``.

    python -m vocos_reference.run SCRIPT ARGS
    python -m vocos_reference.run -m MODULE ARGS

The script runs as if it had been started directly.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path

from .finder import install


def main() -> None:
    """Runs the command line of ``python -m vocos_reference.run``.

    Raises:
        SystemExit: 2 for wrong usage, or as raised by the script.
    """
    parser = argparse.ArgumentParser(
        prog="python -m vocos_reference.run", description="Runs a script with vocos-plugins as its package vocos."
    )
    parser.add_argument("-m", action="store_true", dest="is_module", help="run a module instead")
    parser.add_argument("script", help="path of the script, or name of the module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments for the script")
    arguments = parser.parse_args()
    if not arguments.is_module and not Path(arguments.script).is_file():
        parser.error(f"there is no script {arguments.script}")
    install()
    sys.argv = [arguments.script, *arguments.arguments]
    if arguments.is_module:
        runpy.run_module(arguments.script, run_name="__main__", alter_sys=True)
    else:
        # As Python does for a script: its neighbours are importable, the working directory is not.
        sys.path[0] = str(Path(arguments.script).resolve().parent)
        runpy.run_path(arguments.script, run_name="__main__")


if __name__ == "__main__":
    main()
