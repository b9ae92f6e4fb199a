"""YAML that was written by a stranger: plain values only, and no more of them than a configuration has."""

from __future__ import annotations

import yaml

MAX_PAIRS = 10_000


class BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe loader, with an end to merge keys: nested ones multiply a few lines to hours of work."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuses a mapping of more than `MAX_PAIRS` keys once its merge keys are spelled out."""
        super().flatten_mapping(node)
        if len(node.value) > MAX_PAIRS:
            raise yaml.constructor.ConstructorError(None, None, f"more than {MAX_PAIRS} keys in a mapping")
