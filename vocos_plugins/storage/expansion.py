"""Counts the values of a graph as a reader meets them: a shared value at each use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class CircleError(ValueError, Generic[T]):
    """A value lies inside of itself.

    Attributes:
        value: the one.
    """

    def __init__(self, value: T) -> None:
        super().__init__("a value lies inside of itself")
        self.value = value


def expand(root: T, parts: Callable[[T], Sequence[T]]) -> dict[int, tuple[int, int]]:
    """Returns the size and the height of each value, by its `id`: values at each use, and levels.

    Memory holds a shared value once, but code that walks or prints it meets it at each use.

    Args:
        root: the value that all others lie in.
        parts: returns what a value holds.

    Raises:
        CircleError: a value lies inside of itself.
    """
    known: dict[int, tuple[int, int]] = {}
    unfinished: set[int] = set()
    waiting: list[Any] = [root]
    while waiting:
        value = waiting[-1]
        if id(value) in known:
            waiting.pop()
            continue
        inside = parts(value)
        if id(value) not in unfinished:
            unfinished.add(id(value))
            if any(id(part) in unfinished for part in inside):
                raise CircleError(value)
            waiting += [part for part in inside if id(part) not in known]
            continue
        waiting.pop()
        unfinished.discard(id(value))
        sizes, heights = zip(*(known[id(part)] for part in inside), strict=True) if inside else ((), ())
        known[id(value)] = (1 + sum(sizes), 1 + max(heights, default=0))
    return known
