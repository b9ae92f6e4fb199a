"""The YAML reader for untrusted files, which every YAML goes through: plain values, no repeated keys, bounded size."""

from __future__ import annotations

from typing import Any

import yaml

from ..mel.shown import shown
from .expansion import CircleError, expand
from .limits import MAX_YAML_VALUES

MAX_PAIRS = 10_000
MAX_REPEATED = 100_000  # values that aliases add to those that are written; no configuration comes near
MAX_DIGITS = 1000
NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
MERGE = "tag:yaml.org,2002:merge"


class RefusedYAML(yaml.MarkedYAMLError):
    """A document that PyYAML would read, but that is too large or ambiguous."""


class BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe loader with a limit on merge keys: nested ones expand a few lines to hours of work.

    A key that appears twice in a mapping is refused; PyYAML would keep the last.
    """

    max_values = MAX_YAML_VALUES
    n_values = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        """Refuses a document of more than `max_values` values, at the first one too many."""
        self.n_values += 1
        if self.n_values > self.max_values:
            raise RefusedYAML(
                None, None, f"it holds more than {self.max_values} values; no configuration is that large"
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        """Refuses a number of more than `MAX_DIGITS` characters: PyYAML would calculate with all of them."""
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        if node.tag in NUMBERS and len(node.value) > MAX_DIGITS:
            problem = f"the number {shown(node.value)} has more than {MAX_DIGITS} characters"
            raise RefusedYAML(None, None, problem, node.start_mark)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuses a repeated key. Merge keys are not expanded yet: a mapping may override what they bring."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            if (key.tag, key.value) in seen:
                problem = f"the key {shown(key.value)} appears twice; remove one"
                raise RefusedYAML(None, None, problem, key.start_mark)
            seen.add((key.tag, key.value))
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuses a mapping of more than `MAX_PAIRS` keys once its merge keys are expanded."""
        # PyYAML flattens nested merge keys from the inside, so the first mapping that is too large ends it. From 6.0.4
        # on it also expands each key only once.
        super().flatten_mapping(node)
        if len(node.value) > MAX_PAIRS:
            raise RefusedYAML(None, None, f"more than {MAX_PAIRS} keys in a mapping")


def load_yaml(content: str | bytes, loader: type[BoundedLoader] = BoundedLoader) -> Any:
    """Returns the value of a YAML document.

    Args:
        content: of the file.
        loader: with further tags or numbers.

    Raises:
        yaml.YAMLError: it is no YAML, has a tag that the loader doesn't know or a key twice, or its aliases expand it
            beyond `MAX_REPEATED` values, at any place: in mappings, lists, merge keys, pairs or sets.
        ValueError, RecursionError: as raised by PyYAML for impossible dates and deep nesting.
    """
    reader = loader(content)
    try:
        node = reader.get_single_node()
        if node is None:
            return None
        _check_aliases(node)
        return reader.construct_document(node)
    finally:
        reader.dispose()


def _check_aliases(root: yaml.Node) -> None:
    """Refuses a document whose aliases lead back to themselves, or expand a few lines to gigabytes."""
    # An alias is one object in memory, but code that walks or prints a configuration meets it at each use.
    try:
        known = expand(root, _children)
    except CircleError as error:
        problem = "an alias stands inside of its own value"
        raise RefusedYAML(None, None, problem, error.value.start_mark) from error
    if known[id(root)][0] - len(known) > MAX_REPEATED:
        problem = f"its aliases add more than {MAX_REPEATED} values; no configuration is that large"
        raise RefusedYAML(None, None, problem, root.start_mark)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
