"""Converts configuration dataclasses from and to plain values.

Keys and types are checked strictly; nothing is imported by name.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from ..mel.convention import LevelNormalization, MeanStdNormalization
from ..mel.shown import shown
from .suggestions import suggestion

T = TypeVar("T")
NORMALIZATIONS: dict[str, type[Any]] = {"level": LevelNormalization, "mean-std": MeanStdNormalization}
# Marks a field that earlier versions refuse: it is only written where it matters.
NEWER = types.MappingProxyType({"newer": True})


class ConfigError(ValueError):
    """An invalid configuration; the message says where, what was found and what was expected."""


def read_part(mapping: Any, table: Mapping[str, type[T]], where: str) -> T:
    """Builds the dataclass that ``mapping["kind"]`` names in ``table`` from the other keys.

    Raises:
        ConfigError: the kind is missing or unknown, or as raised by `read_dataclass`.
    """
    if not isinstance(mapping, Mapping) or "kind" not in mapping:
        raise ConfigError(f"{where}: expected a mapping with a key 'kind' ({', '.join(table)}), got {shown(mapping)}")
    kind = mapping["kind"]
    if not isinstance(kind, str) or kind not in table:
        raise ConfigError(f"{where}: unknown kind {shown(kind)}; expected one of {', '.join(table)}")
    return read_dataclass(table[kind], {key: value for key, value in mapping.items() if key != "kind"}, where)


def read_dataclass(cls: type[T], mapping: Mapping[str, Any], where: str) -> T:
    """Builds a configuration dataclass from plain values.

    Raises:
        ConfigError: a key is unknown or missing, a value has another type or is out of range.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    required = {
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    check_keys(mapping, set(fields), required, where)
    # Annotations are strings here (`from __future__ import annotations`).
    hints = typing.get_type_hints(cls)
    values = {name: _convert(value, hints[name], f"{where}.{name}") for name, value in mapping.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def check_keys(mapping: Any, known: set[str], required: set[str], where: str) -> None:
    """Raises ConfigError unless this is a mapping with known keys only and all the required ones."""
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"{where}: expected a mapping, got {shown(mapping)}")
    for key in mapping:
        if key not in known:
            hint = suggestion(str(key), known) or f"expected one of {', '.join(sorted(known))}"
            raise ConfigError(f"{where}: unknown key {shown(key)}; {hint}")
    if missing := required - set(mapping):
        raise ConfigError(f"{where}: missing {', '.join(sorted(missing))}")


def _convert(value: Any, hint: Any, where: str) -> Any:
    """Converts a value to the annotated type, where that is lossless."""
    # `int | None` is a UnionType, but `Literal[...] | None` a typing.Union.
    is_union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    options = typing.get_args(hint) if is_union else (hint,)
    for option in options:
        if option is type(None) and value is None:
            return None
        if typing.get_origin(option) is typing.Literal and value in typing.get_args(option):
            return value
        if typing.get_origin(option) is tuple and isinstance(value, (list, tuple)):
            # YAML has lists only; tuples keep the configuration hashable.
            return tuple(_convert(item, typing.get_args(option)[0], where) for item in value)
        # Not isinstance, since True is an int for Python.
        if option in (bool, int, str) and type(value) is option:
            return value
        if option is float and (type(value) in (int, float) or _is_scientific(value)):
            try:
                return float(value)
            except OverflowError as error:
                raise ConfigError(f"{where}: the number is too large") from error
        if option in NORMALIZATIONS.values() and isinstance(value, Mapping):
            return read_part(value, NORMALIZATIONS, where)
    raise ConfigError(f"{where}: expected {_describe(options)}, got {shown(value)}")


def _is_scientific(value: Any) -> bool:
    """Whether a value is a number like ``5e-4``, which YAML 1.1 reads as text."""
    return isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value) is not None


def _describe(options: tuple[Any, ...]) -> str:
    names: list[str] = []
    for option in options:
        if typing.get_origin(option) is typing.Literal:
            names.extend(map(repr, typing.get_args(option)))
        else:
            names.append("null" if option is type(None) else getattr(option, "__name__", str(option)))
    return " or ".join(names)


def write_part(part: Any, *tables: Mapping[str, type[Any]]) -> dict[str, Any]:
    """Returns the plain values of a dataclass, with its kind from the table that lists it.

    Every field is written, so that a later change of a default has no effect; a `NEWER` one only if its value isn't the
    default.
    """
    kind = next(name for table in tables for name, cls in table.items() if cls is type(part))
    written: dict[str, Any] = {"kind": kind}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if NEWER.items() <= field.metadata.items() and value == field.default:
            continue
        if type(value) in NORMALIZATIONS.values():
            value = write_part(value, NORMALIZATIONS)
        written[field.name] = list(value) if isinstance(value, tuple) else value
    return written
