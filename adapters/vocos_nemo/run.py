"""Runs a script that you can't edit, with Vocos added to the models that NeMo restores.

    python -m vocos_nemo.run SCRIPT ARGS
    python -m vocos_nemo.run -m MODULE ARGS

The script runs as if it had been started directly.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import runpy
import sys
from pathlib import Path


def main() -> None:
    """Runs the command line of ``python -m vocos_nemo.run``.

    Raises:
        SystemExit: 2 for wrong usage, 1 without NeMo, or as raised by the script.
    """
    parser = argparse.ArgumentParser(
        prog="python -m vocos_nemo.run", description="Runs a script with Vocos added to the models that NeMo restores."
    )
    parser.add_argument("-m", action="store_true", dest="is_module", help="run a module instead")
    parser.add_argument("script", help="path of the script, or name of the module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments for the script")
    arguments = parser.parse_args()
    if not arguments.is_module and not Path(arguments.script).is_file():
        parser.error(f"there is no script {arguments.script}")
    if importlib.util.find_spec("nemo") is None:
        sys.exit("NeMo isn't installed: pip install 'vocos-plugins[nemo]'")
    # Registers VocosModel with NeMo, in this process only.
    importlib.import_module("vocos_nemo.vocoder")
    sys.argv = [arguments.script, *arguments.arguments]
    if arguments.is_module:
        runpy.run_module(arguments.script, run_name="__main__", alter_sys=True)
    else:
        # As Python does for a script: its neighbours are importable, the working directory is not.
        sys.path[0] = str(Path(arguments.script).resolve().parent)
        runpy.run_path(arguments.script, run_name="__main__")


if __name__ == "__main__":
    main()
