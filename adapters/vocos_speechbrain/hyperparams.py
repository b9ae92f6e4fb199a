"""Reads SpeechBrain's hyperparameter files (HyperPyYAML) without running anything in them.

Loaded the usual way, such a file may call anything: ``!new:``, ``!name:``, ``!apply:`` and ``!module:`` take any
import path. Here every tag becomes an inert value, and only ``!ref`` is followed.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vocos_plugins.mel import ConventionError
from vocos_plugins.mel.shown import shown
from vocos_plugins.storage.bounded_yaml import BoundedLoader, load_yaml
from vocos_plugins.storage.limits import MAX_CONFIG_BYTES

FILE_NAME = "hyperparams.yaml"
SUFFIXES = (".yaml", ".yml")
# HyperPyYAML's tags: a file of any name that has one is taken for SpeechBrain's.
TAGS = re.compile(rb"[\s\[{,]!(?:(?:new|name|apply|applyref|module|include):|(?:ref|copy|PLACEHOLDER)\b)")
REFERENCE = re.compile(r"<([^<>]*)>")
# Without powers, which make huge numbers of short formulas.
OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
# No sample rate or length is larger, and no formula for one is longer. Unbounded products could take forever.
MAX_NUMBER = 1e12
MAX_FORMULA = 200
MALFORMED = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError)


@dataclass(frozen=True)
class Undetermined:
    """A value that is known only once the file is run; ``text`` is what the file has in its place."""

    text: str


@dataclass(frozen=True)
class Construction(Undetermined):
    """A ``!new:package.Class`` with arguments, which is never built here."""

    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Partial:
    """A ``!name:package.function`` with arguments; ``keywords`` are as in a `functools.partial`."""

    tag: str
    keywords: Mapping[str, Any]


@dataclass(frozen=True)
class _Reference:
    text: str


def read_hyperparams(path: Path) -> dict[str, Any] | None:
    """Returns the top level of a SpeechBrain file, with references resolved and all else unchanged.

    Args:
        path: a HyperPyYAML file, or a directory that holds ``hyperparams.yaml``.

    Returns:
        Values by name; those that are known only once the file is run are `Undetermined`. None if the path is not
        SpeechBrain's: not a YAML file, or one of another name without any of HyperPyYAML's tags.

    Raises:
        ConventionError: it is SpeechBrain's, but damaged, too large or not a mapping; or it can't be read.
    """
    file = path / FILE_NAME if path.is_dir() else path
    if file.suffix not in SUFFIXES or not file.is_file():
        return None
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise ConventionError(f"{file} can't be read: {error.strerror}") from error
    if file.name != FILE_NAME and not TAGS.search(content):
        return None
    if len(content) > MAX_CONFIG_BYTES:
        raise ConventionError(f"{file} has more than {MAX_CONFIG_BYTES} bytes, too many for a hyperparameter file")
    try:
        return _parse(content)
    except MALFORMED as error:
        raise ConventionError(f"{file} can't be read as hyperparameters: {error}") from error


def _parse(content: bytes) -> dict[str, Any]:
    tree = load_yaml(content, _Loader)
    if not isinstance(tree, dict):
        raise ValueError(f"expected a mapping, got {shown(tree)}")
    resolver = _Resolver(tree)
    return {key: resolver.top_level(value) for key, value in tree.items()}


class _Loader(BoundedLoader):
    """Plain YAML, with every other tag as an inert value."""

    def inert(self, node: yaml.Node) -> Undetermined | Partial | _Reference:
        tag = str(node.tag)
        if tag.startswith("!new:") and isinstance(node, yaml.MappingNode):
            return Construction(tag, self._keywords(node))
        if tag in {"!ref", "!copy"} and isinstance(node, yaml.ScalarNode):
            return _Reference(node.value)
        if tag.startswith("!name:") and isinstance(node, yaml.MappingNode):
            return Partial(tag, self._keywords(node))
        return Undetermined(f"{tag} {node.value}".strip() if isinstance(node, yaml.ScalarNode) else tag)

    def _keywords(self, node: yaml.MappingNode) -> dict[str, Any]:
        return {str(key): value for key, value in self.construct_mapping(node, deep=True).items()}


# None stands for every tag without a constructor of its own.
_Loader.add_constructor(None, _Loader.inert)
# YAML 1.1 reads 8e3 as text, HyperPyYAML's parser as a number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


class _Resolver:
    """Follows references through a tree; each is followed once."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self.tree = tree
        self.known: dict[str, Any] = {}

    def top_level(self, value: Any) -> Any:
        if isinstance(value, Partial):
            return Partial(value.tag, self._resolve_all(value.keywords))
        if isinstance(value, Construction):
            return Construction(value.text, self._resolve_all(value.arguments))
        return self.resolve(value)

    def _resolve_all(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {key: self.resolve(value) for key, value in values.items()}

    def resolve(self, value: Any) -> Any:
        if not isinstance(value, _Reference):
            return value
        text = value.text.strip()
        if text not in self.known:
            self.known[text] = Undetermined(f"!ref {text}")  # stays if it refers to itself
            self.known[text] = self._follow(text)
        return self.known[text]

    def _follow(self, text: str) -> Any:
        whole = REFERENCE.fullmatch(text)
        if whole:
            return self._look_up(whole[1])
        values = [self._look_up(name) for name in REFERENCE.findall(text)]
        # type() instead of isinstance(), for which true is a number.
        if len(text) > MAX_FORMULA or not all(type(value) in (int, float) for value in values):
            return Undetermined(f"!ref {text}")
        remaining = iter(values)
        try:
            # Parsed and calculated here: eval() would run whatever the file says.
            return _calculate(ast.parse(REFERENCE.sub(lambda _: repr(next(remaining)), text), mode="eval").body)
        except (SyntaxError, ValueError, ArithmeticError):
            return Undetermined(f"!ref {text}")

    def _look_up(self, name: str) -> Any:
        """Looks up ``a`` or ``a[b]``; ``a.b`` is an attribute of an object, which is never built here."""
        branch: Any = self.tree
        for key in (part.rstrip("]") for part in name.split("[")):
            if not isinstance(branch, Mapping) or key not in branch:
                return Undetermined(f"!ref <{name}>")
            branch = branch[key]
        return self.resolve(branch)


def _calculate(node: ast.expr) -> int | float:
    """Evaluates sums, products, quotients and remainders of numbers.

    Raises:
        ValueError: the expression is something else, or its value is absurdly large.
    """
    value: int | float
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        value = node.value
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        value = OPERATORS[type(node.op)](_calculate(node.left), _calculate(node.right))
    else:
        raise ValueError(f"not arithmetic: {ast.dump(node):.60}")
    # In this form NaN is refused, too.
    if not abs(value) <= MAX_NUMBER:
        raise ValueError(f"absurdly large: {value}")
    return value
