"""Prints the classes and functions of the modules of ``vocos``, with their arguments, as JSON.

python describe.py MODULE...
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from typing import Any

METHODS = {"Vocos": ("from_pretrained", "from_hparams", "forward", "decode", "codes_to_features")}


def arguments(function: Any) -> list[tuple[str, str | None]]:
    """Returns names and defaults."""
    parameters = inspect.signature(function).parameters.values()
    return [(each.name, None if each.default is each.empty else str(each.default)) for each in parameters]


found: dict[str, Any] = {}
for name in sys.argv[1:]:
    module = importlib.import_module(f"vocos.{name}")
    for key in getattr(module, "__all__", dir(module)):
        value = getattr(module, key)
        if inspect.isclass(value) or inspect.isfunction(value):
            found[f"{name}.{key}"] = {
                "own": value.__module__ == f"vocos.{name}",
                "arguments": arguments(value),
                "methods": {method: arguments(getattr(value, method)) for method in METHODS.get(key, ())},
            }
sys.stdout.write(json.dumps(found))
