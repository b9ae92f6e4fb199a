"""Runs a script that you can't edit, with this implementation in place of the package ``vocos``.

    python -m vocos_reference.run SCRIPT ARGS
    python -m vocos_reference.run -m MODULE ARGS

The script runs as if it had been started directly.
"""

from __future__ import annotations

from vocos_plugins.plugins.program import run_program

from .finder import install


def main() -> None:
    """Runs the command line of ``python -m vocos_reference.run``.

    Raises:
        SystemExit: 2 for wrong usage, or as raised by the script.
    """
    run_program("vocos_reference.run", "Runs a script with vocos-plugins as its package vocos.", install)


if __name__ == "__main__":
    main()
