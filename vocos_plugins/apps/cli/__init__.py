"""The ``vocos`` command. Exit codes: 0 success, 1 some inputs failed (they are listed), 2 wrong usage."""

from .app import app, main

__all__ = ["app", "main"]
