"""Finds the preprocessor in a NeMo configuration, and resolves the interpolations in it.

NeMo's configurations are OmegaConf's: ``${sample_rate}`` is a value from the root, ``${.x}`` a neighbour, ``${..x}``
one from the level above. Those are resolved here, so that OmegaConf needn't be installed; its resolvers, such as
``${oc.env:HOME}``, and text around an interpolation are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vocos_plugins.mel import ConventionError
from vocos_plugins.mel.shown import shown

INTERPOLATION = re.compile(r"\$\{\s*(\.*)([\w-]+(?:\.[\w-]+)*)\s*\}")
MISSING = "???"
TARGET = "_target_"
OLD_TARGET, OLD_OPTIONS = "cls", "params"

Keys = tuple[str, ...]
# Where the configurations of a model and of a training run have the preprocessor.
PLACES: tuple[Keys, ...] = (("preprocessor",), ("model", "preprocessor"))


def find_preprocessor(config: Mapping[str, Any]) -> Keys | None:
    """Returns the keys that lead to the preprocessor's options; None if there are none."""
    for place in PLACES:
        node: Any = config
        for key in place:
            node = node.get(key) if isinstance(node, Mapping) else None
        if isinstance(node, Mapping):
            return place
    return None


def resolved_options(config: Mapping[str, Any], place: Keys, names: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Returns the options at a place in a configuration, with interpolations resolved.

    Blocks of NeMo 0.x, ``cls`` with ``params``, become ``_target_`` with the options beside it, as in NeMo
    (``maybe_update_config_version`` of ``nemo/utils/model_utils.py``): interpolations are resolved before that.

    Args:
        config: plain mappings, or OmegaConf's, which resolve themselves.
        place: the keys that lead to the options; empty if the configuration itself holds them.
        names: which options, as far as they are there; all of them if None.

    Raises:
        ConventionError: a value is missing (``???``), or an interpolation leads nowhere, in a circle, or is not one of
            the simple ones; the message names it.
    """
    node = _look_up(config, place)
    options = {str(key): _value(config, (*place, str(key)), ()) for key in node if names is None or key in names}
    if TARGET not in options and OLD_TARGET in options:
        options[TARGET] = options.pop(OLD_TARGET)
    if OLD_OPTIONS in options:
        nested = options.pop(OLD_OPTIONS)
        if not isinstance(nested, Mapping):
            raise ConventionError(f"{'.'.join((*place, OLD_OPTIONS))}: expected a mapping, got {shown(nested)}")
        options |= {str(key): _value(config, (*place, OLD_OPTIONS, str(key)), ()) for key in nested}
    return options


def _value(config: Mapping[str, Any], keys: Keys, seen: tuple[Keys, ...]) -> Any:
    trail = " -> ".join(".".join(step) for step in (*seen, keys))
    if keys in seen:
        raise ConventionError(f"{trail}: an interpolation that leads back to itself")
    try:
        value = _look_up(config, keys)
    except Exception as error:  # OmegaConf's own, which can't be named without importing it
        reason = str(error).partition("\n")[0]
        raise ConventionError(f"{trail}: not in the configuration ({reason}){_group_hint(config, keys)}") from error
    if value == MISSING:
        raise ConventionError(f"{trail}: the value is {MISSING}, which must be filled in before use")
    if not isinstance(value, str) or "${" not in value:
        return value
    match = INTERPOLATION.fullmatch(value)
    if match is None or len(match[1]) > len(keys):
        raise ConventionError(
            f"{trail}: {shown(value)} can't be resolved without OmegaConf; resolve it and pass the result to "
            "from_nemo: OmegaConf.to_container(config, resolve=True)"
        )
    # One dot is the level of the value itself, each further one a level up; without dots it starts at the root.
    base = keys[: len(keys) - len(match[1])] if match[1] else ()
    return _value(config, (*base, *match[2].split(".")), (*seen, keys))


def _group_hint(config: Mapping[str, Any], keys: Keys) -> str:
    """Returns what to do if keys lead into a group of files that Hydra adds: it needs the command line to choose."""
    defaults = config.get("defaults")
    groups = [each for each in defaults if isinstance(each, Mapping)] if isinstance(defaults, (list, tuple)) else []
    if not any(keys[:1] == (name,) for group in groups for name in group):
        return ""
    return (
        f". {keys[0]} is a group of Hydra's: its values are in a file of the folder {keys[0]} beside this one. Pass "
        f"the trained .nemo file, or copy the file's values into this one, under {keys[0]}"
    )


def _look_up(config: Mapping[str, Any], keys: Keys) -> Any:
    node: Any = config
    for key in keys:
        node = node[key]
    return node
