"""A YAML loader for untrusted files: plain values only, no repeated keys, and a limit on the number of keys."""

from __future__ import annotations

from typing import Any

import yaml

MAX_PAIRS = 10_000
MERGE = "tag:yaml.org,2002:merge"


class BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe loader with a limit on merge keys: nested ones expand a few lines to hours of work.

    A key that appears twice in a mapping is refused; PyYAML would keep the last.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuses a repeated key. Merge keys are not expanded yet: a mapping may override what they bring."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            if (key.tag, key.value) in seen:
                problem = f"the key {key.value!r} appears twice; remove one"
                raise yaml.composer.ComposerError(None, None, problem, key.start_mark)
            seen.add((key.tag, key.value))
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuses a mapping of more than `MAX_PAIRS` keys once its merge keys are expanded."""
        # PyYAML flattens nested merge keys from the inside, so the first mapping that is too large ends it. From 6.0.4
        # on it also expands each key only once.
        super().flatten_mapping(node)
        if len(node.value) > MAX_PAIRS:
            raise yaml.constructor.ConstructorError(None, None, f"more than {MAX_PAIRS} keys in a mapping")
