"""The YAML reader for untrusted files: what it bounds, and that nothing else reads YAML."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest
import yaml

from helpers.paths import ROOT
from vocos_plugins.storage.bounded_yaml import load_yaml

# What reads YAML, by module or object: the first names of a call.
READERS = {
    "load",
    "load_all",
    "safe_load",
    "safe_load_all",
    "full_load",
    "full_load_all",
    "unsafe_load",
    "load_hyperpyyaml",
}
OWNERS = {"yaml", "OmegaConf", "ruamel", "hyperpyyaml"}
# The toolkit's own loader for the recipes' own files, in which a YAML is a program.
RECIPES = {"recipes/speechbrain/hyperparameters.py", "recipes/tts/speechbrain/train.py"}
FILES = [
    path
    for folder in ("vocos_plugins", "adapters", "recipes", "scripts", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "yaml" in path.read_text().lower() or "OmegaConf" in path.read_text()
]


def nested(form: str, levels: int = 9) -> str:
    """A document of nested aliases, ten at each level, in this form."""
    lines = ["a0: &a0 [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]" if "<<" not in form else "a0: &a0 {a: 0, b: 1}"]
    for level in range(1, levels):
        item = f"*a{level - 1}"
        if form == "pairs":
            body = f"!!pairs [{', '.join(['x: ' + item] * 10)}]"
        elif form == "omap":
            body = f"!!omap [{', '.join(f'x{key}: {item}' for key in range(10))}]"
        elif form == "<<":
            body = f"{{<<: [{', '.join([item] * 10)}]}}"
        elif form == "map":
            body = f"{{{', '.join(f'x{key}: {item}' for key in range(10))}}}"
        else:
            body = f"[{', '.join([item] * 10)}]"
        lines.append(f"a{level}: &a{level} {body}")
    return "\n".join(lines)


@pytest.mark.parametrize("form", ["list", "map", "<<", "pairs", "omap"])
def test_bombs_are_refused_at_once(form: str) -> None:
    """Half a kilobyte for 10^9 values, wherever the aliases stand."""
    started = time.process_time()
    with pytest.raises(yaml.YAMLError, match="its aliases add more than 100000 values"):
        load_yaml(nested(form))
    assert time.process_time() - started < 1.0  # it takes milliseconds


@pytest.mark.parametrize("text", ["a: &a [*a]", "&a {x: {y: *a}}", "a: &a !!set {? *a}", "a: &a !!pairs [x: *a]"])
def test_an_alias_inside_of_itself_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="inside of its own value"):
        load_yaml(text)


def test_ordinary_aliases_and_merge_keys_are_read() -> None:
    """As in the configurations of toolkits."""
    text = "base: &base {a: 1, b: &b [1, 2]}\nmore: {<<: *base, c: *b, a: 2}\nlist: [*b, *b]\n"
    assert load_yaml(text) == {
        "base": {"a": 1, "b": [1, 2]},
        "more": {"a": 2, "b": [1, 2], "c": [1, 2]},
        "list": [[1, 2], [1, 2]],
    }
    assert load_yaml("") is None
    large = "\n".join(f"- {number}" for number in range(2000))
    assert load_yaml(large) == list(range(2000))


def test_repeated_keys_are_refused() -> None:
    with pytest.raises(yaml.YAMLError, match="the key 'a' appears twice"):
        load_yaml("a: 1\na: 2\n")


def calls(path: Path) -> list[str]:
    """The calls in a file that read YAML."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        text = ast.unparse(node.func)
        owner, _, name = text.rpartition(".")
        if name in READERS and (owner.split(".")[0] in OWNERS or name == "load_hyperpyyaml"):
            found.append(text)
    return found


def test_a_reader_is_found(tmp_path: Path) -> None:
    """The search below can fail."""
    (tmp_path / "a.py").write_text(
        "yaml.safe_load(x); OmegaConf.load(y); load_hyperpyyaml(z); json.load(f); yaml.dump(x)"
    )
    assert calls(tmp_path / "a.py") == ["yaml.safe_load", "OmegaConf.load", "load_hyperpyyaml"]
    assert len(FILES) > 15


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_else_reads_yaml(path: Path) -> None:
    """Every YAML of ours goes through the bounded reader, and derived loaders derive from its own."""
    if str(path.relative_to(ROOT)) not in RECIPES:
        assert calls(path) == []
    if path.name != "bounded_yaml.py":
        assert "SafeLoader)" not in path.read_text()
