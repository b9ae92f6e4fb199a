"""Looks through the opcodes of a pickle, before anything runs them: what they would build, and how large it becomes.

A reader that builds only tensors and plain containers still does what the opcodes say. Some hundred bytes of them can
ask for a key whose hash takes years, or for all memory.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import IO, Any

from .expansion import CircleError, expand
from .limits import MAX_OPCODES, MAX_PICKLE_DEPTH, MAX_PICKLED_VALUES

TEXT = frozenset({"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"})
BYTES = frozenset({"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"})
WHOLE = frozenset({"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"})
OTHERS = frozenset({"NONE", "NEWTRUE", "NEWFALSE", "FLOAT", "BINFLOAT"})
EMPTY = {"EMPTY_TUPLE": "tuple", "EMPTY_LIST": "list", "EMPTY_DICT": "dict", "EMPTY_SET": "set"}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
MARKED = {"TUPLE": "tuple", "LIST": "list", "DICT": "dict", "FROZENSET": "frozenset"}
PUT = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
GET = frozenset({"GET", "BINGET", "LONG_BINGET"})
CALLS = frozenset({"REDUCE", "NEWOBJ"})
CHANGES_BY_MARK = frozenset({"APPENDS", "SETITEMS", "ADDITEMS"})
CHANGES = CHANGES_BY_MARK | {"APPEND", "BUILD", "SETITEM"}
IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
ATOMS = frozenset({"text", "bytes", "whole", "number", "plain", "tuple", "frozenset", "stored", "name"})
KEYS = frozenset({"text", "whole", "plain"})
MAX_KEY = 2**63  # numbers above could be chosen to have one hash
BYTES_OF_A_VALUE = 64  # of text, which a call copies


class RefusedPickleError(ValueError):
    """A pickle that is not run: it is damaged, or would take too much time or memory."""


class ForbiddenNameError(RefusedPickleError):
    """A pickle that would call something else than what builds tensors and plain containers."""


@dataclass(eq=False, slots=True)
class Value:
    """The outline of a value that an opcode would build.

    Attributes:
        kind: ``text``, ``whole`` (a number), ``number`` (a huge one), ``plain``, ``tuple``, ``name`` (of a function or
            class), ``stored`` and so on.
        value: of a text, a whole number or a name; None otherwise.
        parts: what it holds.
        weight: how much it takes to copy or to hash it.
    """

    kind: str
    value: Any = None
    parts: list[Value] = field(default_factory=list)
    weight: int = 1

    def add(self, parts: list[Value]) -> int:
        """Takes more parts; returns their weight."""
        self.parts += parts
        added = sum(part.weight for part in parts)
        self.weight += added
        return added


OTHER = Value("plain")
MARK = Value("mark")


def outline(file: IO[bytes], callables: Collection[str]) -> Value:
    """Returns what the next pickle in a file would build; nothing of it is built.

    Args:
        file: stands at the start of a pickle, and afterwards at its end.
        callables: names of what it may call.

    Raises:
        ForbiddenNameError: it calls something else.
        RefusedPickleError: it is damaged, has more than `MAX_OPCODES` opcodes or unusual ones, keys other than text and
            numbers, or shared values that expand it beyond `MAX_PICKLED_VALUES` values.
    """
    outliner = _Outliner(callables)
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if number >= MAX_OPCODES:
                raise RefusedPickleError(f"its pickle has more than {MAX_OPCODES} opcodes; save the state dict only")
            outliner.take(opcode.name, argument)
        root = outliner.pop()
        size, height = expand(root, lambda value: value.parts)[id(root)]
    except CircleError as error:
        raise RefusedPickleError(f"in its pickle {error}") from error
    except RefusedPickleError:
        raise
    except (ValueError, LookupError) as error:
        raise RefusedPickleError(f"its pickle is damaged: {' '.join(str(error).split())[:100]}") from error
    if size > MAX_PICKLED_VALUES or height > MAX_PICKLE_DEPTH:
        raise RefusedPickleError(
            f"its pickle holds {min(size, 10**12)} values in {height} levels; at most {MAX_PICKLED_VALUES} in "
            f"{MAX_PICKLE_DEPTH} are read"
        )
    return root


class _Outliner:
    """The stack and the memo of an unpickler, with outlines instead of values."""

    def __init__(self, callables: Collection[str]) -> None:
        self.callables = callables
        self.stack: list[Value] = []
        self.memo: dict[int, Value] = {}
        self.spent = 0
        self.opcodes: dict[str, Callable[[str, Any], object]] = {
            **dict.fromkeys((*TEXT, *BYTES, *WHOLE, *OTHERS, "GLOBAL"), self.atom),
            **dict.fromkeys(IGNORED, lambda *_: None),
            "MARK": lambda *_: self.stack.append(MARK),
            **dict.fromkeys(EMPTY, lambda name, _: self.stack.append(Value(EMPTY[name]))),
            **dict.fromkeys(TUPLES, lambda name, _: self.build("tuple", self.pop_many(TUPLES[name]))),
            **dict.fromkeys(MARKED, lambda name, _: self.build(MARKED[name], self.pop_to_mark())),
            **dict.fromkeys(CHANGES, self.change),
            **dict.fromkeys(PUT, lambda _, index: self.memorize(int(index))),
            "MEMOIZE": lambda *_: self.memorize(len(self.memo)),
            **dict.fromkeys(GET, lambda _, index: self.stack.append(self.memo[int(index)])),
            "STACK_GLOBAL": self.name,
            **dict.fromkeys(CALLS, self.call),
            "BINPERSID": lambda *_: self.build("stored", [self.pop()]),
        }

    def pop(self) -> Value:
        value = self.stack.pop()
        if value is MARK:
            raise RefusedPickleError("its pickle is damaged: a mark stands in the place of a value")
        return value

    def take(self, name: str, argument: Any) -> None:
        """Does what an opcode does."""
        if name not in self.opcodes:
            raise RefusedPickleError(f"its pickle has the opcode {name}, which torch.save doesn't write")
        self.opcodes[name](name, argument)

    def atom(self, name: str, argument: Any) -> None:
        if name == "GLOBAL":
            value = Value("name", argument.replace(" ", ".", 1).replace("__builtin__", "builtins", 1))
        elif name in WHOLE:
            value = Value("whole" if abs(argument) < MAX_KEY else "number", argument)
        elif name in OTHERS:
            value = OTHER
        else:
            kind, text = ("text", argument) if name in TEXT else ("bytes", None)
            value = Value(kind, text, weight=1 + len(argument) // BYTES_OF_A_VALUE)
        self.stack.append(value)

    def name(self, *_: object) -> None:
        last, module = self.pop(), self.pop()
        self.stack.append(Value("name", f"{module.value}.{last.value}"))

    def call(self, *_: object) -> None:
        arguments, called = self.pop(), self.pop()
        if called.kind != "name" or called.value not in self.callables:
            raise ForbiddenNameError(called.value if called.kind == "name" else f"a call of a {called.kind}")
        self.build("object", [called, arguments])

    def change(self, name: str, _: object) -> None:
        """Does what an opcode does to a container on the stack."""
        added = self.pop_to_mark() if name in CHANGES_BY_MARK else self.pop_many(2 if name == "SETITEM" else 1)
        container = self.pop()
        if container.kind in ATOMS:
            raise RefusedPickleError(f"its pickle is damaged: a {container.kind} takes no values")
        if name.startswith("SETITEM") or container.kind == "set":
            _check_keys(added[::2] if name.startswith("SETITEM") else added)
        self.spend(container.add(added))
        self.stack.append(container)

    def build(self, kind: str, parts: list[Value]) -> None:
        if kind in ("dict", "frozenset"):
            _check_keys(parts[::2] if kind == "dict" else parts)
        built = Value(kind)
        self.spend(built.add(parts))
        self.stack.append(built)

    def memorize(self, index: int) -> None:
        # Python's own unpickler makes room for as many as the largest index.
        if not 0 <= index <= MAX_OPCODES:
            raise RefusedPickleError(f"its pickle is damaged: it remembers a value under {index}")
        self.memo[index] = self.pop()
        self.stack.append(self.memo[index])

    def pop_many(self, number: int) -> list[Value]:
        return [self.pop() for _ in range(number)][::-1]

    def pop_to_mark(self) -> list[Value]:
        parts = []
        while (value := self.stack.pop()) is not MARK:
            parts.append(value)
        return parts[::-1]

    def spend(self, weight: int) -> None:
        self.spent += weight
        if self.spent > 10 * MAX_PICKLED_VALUES:
            raise RefusedPickleError(f"its pickle uses shared values more than {10 * MAX_PICKLED_VALUES} times")


def _check_keys(keys: list[Value]) -> None:
    if other := next((key.kind for key in keys if key.kind not in KEYS), None):
        raise RefusedPickleError(f"its pickle has a {other} as a key; keys are text or numbers below 2^63")
