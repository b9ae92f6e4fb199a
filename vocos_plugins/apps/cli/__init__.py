"""The ``vocos`` command. Exit codes: 0 success, 1 some inputs failed (they are listed), 2 wrong usage."""

# Commands import what they need inside their functions. So `vocos --help` and wrong usage don't wait for audio readers,
# the Hugging Face hub's client or the extras, which may be missing.
from .app import app, main

__all__ = ["app", "main"]
