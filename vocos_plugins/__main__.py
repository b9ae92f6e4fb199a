"""Runs the ``vocos`` command: ``python -m vocos_plugins``."""

from .cli import app

app(prog_name="vocos")
