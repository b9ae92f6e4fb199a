"""The package ``vocos`` under its own names, computed here. Importing this package alone changes nothing.

Attributes:
    install: makes ``import vocos`` find this implementation in this process (`finder`).
"""

from .finder import install

__all__ = ["install"]
