"""Runs the ``vocos`` command: ``python -m vocos_plugins``."""

from .apps.cli import main

main()
