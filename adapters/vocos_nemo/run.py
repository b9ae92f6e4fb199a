"""Runs a script that you can't edit, with Vocos added to the models that NeMo restores.

    python -m vocos_nemo.run SCRIPT ARGS
    python -m vocos_nemo.run -m MODULE ARGS

The script runs as if it had been started directly.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys

from vocos_plugins.plugins.program import run_program


def main() -> None:
    """Runs the command line of ``python -m vocos_nemo.run``.

    Raises:
        SystemExit: 2 for wrong usage, 1 without NeMo, or as raised by the script.
    """
    run_program("vocos_nemo.run", "Runs a script with Vocos added to the models that NeMo restores.", _prepare)


def _prepare() -> None:
    if importlib.util.find_spec("nemo") is None:
        sys.exit("NeMo isn't installed: pip install 'vocos-plugins[nemo]'")
    # Registers VocosModel with NeMo, in this process only.
    importlib.import_module("vocos_nemo.vocoder")


if __name__ == "__main__":
    main()
