"""Finds the preprocessor in a NeMo configuration, and resolves the interpolations in it.

NeMo's configurations are OmegaConf's: ``${sample_rate}`` is a value from the root, ``${.x}`` a neighbour, ``${..x}``
one of the level above. Those are resolved here, so that OmegaConf needn't be installed; its resolvers, such as
``${oc.env:HOME}``, and text around an interpolation are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vocos_plugins.mel import ConventionError

INTERPOLATION = re.compile(r"\$\{\s*(\.*)([\w-]+(?:\.[\w-]+)*)\s*\}")
MISSING = "???"

Keys = tuple[str, ...]
# Where a model's configuration, and a training run's, keep it.
PLACES: tuple[Keys, ...] = (("preprocessor",), ("model", "preprocessor"))


def find_preprocessor(config: Mapping[str, Any]) -> Keys | None:
    """The keys that lead to the preprocessor's options; None if there are none."""
    for place in PLACES:
        node: Any = config
        for key in place:
            node = node.get(key) if isinstance(node, Mapping) else None
        if isinstance(node, Mapping):
            return place
    return None


def resolved_options(config: Mapping[str, Any], place: Keys) -> dict[str, Any]:
    """The options at a place in a configuration, without interpolations.

    Args:
        config: plain mappings, or OmegaConf's, which resolve themselves.
        place: the keys that lead to the options; empty if they are the configuration.

    Raises:
        ConventionError: a value is missing (``???``), or an interpolation leads nowhere, in a circle, or is none of
            the simple ones; the message names it.
    """
    return {str(key): _value(config, (*place, str(key)), ()) for key in _look_up(config, place)}


def _value(config: Mapping[str, Any], keys: Keys, seen: tuple[Keys, ...]) -> Any:
    trail = " -> ".join(".".join(step) for step in (*seen, keys))
    if keys in seen:
        raise ConventionError(f"{trail}: an interpolation that leads back to itself")
    try:
        value = _look_up(config, keys)
    except Exception as error:  # OmegaConf's own, which can't be named without importing it
        reason = str(error).partition("\n")[0]
        raise ConventionError(f"{trail}: not in the configuration ({reason})") from error
    if value == MISSING:
        raise ConventionError(f"{trail}: the configuration has {MISSING} there, to be filled in before use")
    if not isinstance(value, str) or "${" not in value:
        return value
    found = INTERPOLATION.fullmatch(value)
    if found is None or len(found[1]) > len(keys):
        raise ConventionError(
            f"{trail}: {value!r} can't be resolved without OmegaConf; pass from_nemo what it makes of the "
            "configuration: OmegaConf.to_container(config, resolve=True)"
        )
    base = keys[: len(keys) - len(found[1])] if found[1] else ()
    return _value(config, (*base, *found[2].split(".")), (*seen, keys))


def _look_up(config: Mapping[str, Any], keys: Keys) -> Any:
    node: Any = config
    for key in keys:
        node = node[key]
    return node
