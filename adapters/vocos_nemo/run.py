"""Runs a script that you can't edit, with Vocos among the models that NeMo restores.

    python -m vocos_nemo.run SCRIPT ARGS
    python -m vocos_nemo.run -m MODULE ARGS

To the script, everything is as if it had been run by itself.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import runpy
import sys
from pathlib import Path


def main() -> None:
    """What ``python -m vocos_nemo.run`` does.

    Raises:
        SystemExit: 2 for wrong usage, 1 without NeMo, and what the script raises.
    """
    parser = argparse.ArgumentParser(
        prog="python -m vocos_nemo.run", description="Runs a script with Vocos among the models that NeMo restores."
    )
    parser.add_argument("-m", action="store_true", dest="is_module", help="run a module instead")
    parser.add_argument("script", help="path of the script, or name of the module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the script's own")
    given = parser.parse_args()
    if not given.is_module and not Path(given.script).is_file():
        parser.error(f"there is no script {given.script}")
    if importlib.util.find_spec("nemo") is None:
        sys.exit("NeMo isn't installed: pip install 'vocos-plugins[nemo]'")
    importlib.import_module("vocos_nemo.vocoder")
    sys.argv = [given.script, *given.arguments]
    if given.is_module:
        runpy.run_module(given.script, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(given.script).resolve().parent)
        runpy.run_path(given.script, run_name="__main__")


if __name__ == "__main__":
    main()
