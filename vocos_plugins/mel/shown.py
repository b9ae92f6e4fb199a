"""How messages show a value that a file holds: in a few words, whatever its size."""

from __future__ import annotations

import reprlib


class _Shown(reprlib.Repr):
    """A `repr` of the beginning. Python's own would print all of a value, shared parts at each use."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = 100
        self.maxlong = 40

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to print numbers of thousands of digits.
        return super().repr_int(x, level) if x.bit_length() < 10_000 else f"a number of {x.bit_length()} bits"


_SHOWN = _Shown()


def shown(value: object) -> str:
    """Returns a short `repr` of a value."""
    return _SHOWN.repr(value)
