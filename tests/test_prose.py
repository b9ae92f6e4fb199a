"""The project is written in plain English: phrases that puzzled readers stay away.

The list is short on purpose. It holds turns that were once common here and read like a translation; for the rest, the
rule in CONTRIBUTING.md has to do.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.paths import ROOT

CODE = sorted(path for folder in ("vocos_plugins", "adapters", "recipes") for path in (ROOT / folder).rglob("*.py"))
PAGES = sorted(
    [*(ROOT / "docs").rglob("*.md"), *(ROOT / "adapters").rglob("*.md"), *(ROOT / "recipes").rglob("*.md")]
    + [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
)
# What to write instead.
PHRASES = {
    r"(with|at) a loss\b": "lossy: in training, a loss is an objective",
    r"\b[Aa]s of `": "see `X`, or as raised by `X`",
    r"\b(lengths|sizes|bandwidths|values|shapes?|ids) (that )?can't be\b": "invalid lengths, invalid sizes",
    r"\btold?\b (of|by|apart)": "reported, said, distinguished",
    r"\btells\b": "reports, says, shows",
    r"\banew\b": "again",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bso many\b": "the number's name",
    r"\bcomputes? so\b": "computes in that precision",
    r"\b(samples|frames) a (frame|row|piece|second)\b": "samples per frame",
    r"\bone a (row|frame|layer|file)\b": "one per row",
    r"\bof the hub\b": "on the Hugging Face hub",
    r"\b(models?|functions?|classes|code|one) of ours\b": "in this package",
    r"\b[Tt]he same, but\b": "the sentence itself",
    r"\btakes? no notice\b": "ignores",
}
# A first line that stands alone is a sentence or a noun phrase.
FRAGMENT = re.compile(r"^(What|Of|As|The same(?! \w+ (as|with|for|of))|In words|All of it|For JSON)\b")


def docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield text


def texts(path: Path) -> str:
    """A file's docstrings, messages and comments."""
    if path.suffix == ".md":
        return path.read_text()
    source = path.read_text()
    strings = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    comments = re.findall(r"#(.*)", source)
    return "\n".join([*(text for text in strings if isinstance(text, str)), *comments])


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_files_are_found() -> None:
    assert len(CODE) > 200
    assert len(PAGES) > 30


@pytest.mark.parametrize("path", [*CODE, *PAGES], ids=name)
def test_no_puzzling_phrase(path: Path) -> None:
    text = " ".join(texts(path).split())
    found = {match[0]: instead for phrase, instead in PHRASES.items() for match in re.finditer(phrase, text)}
    assert found == {}, "write this instead"


@pytest.mark.parametrize("path", CODE, ids=name)
def test_first_lines_stand_alone(path: Path) -> None:
    first_lines = [text.splitlines()[0] for text in docstrings(ast.parse(path.read_text()))]
    assert [line for line in first_lines if FRAGMENT.match(line)] == []


def test_a_puzzling_phrase_is_found() -> None:
    """The table above can match: each phrase occurs in a sentence of the kind that it is meant for."""
    sentence = (
        "aligned with a loss, as of `decode`; sizes can't be; told of it; it tells; begins anew; mends it; so many "
        "frames; computes so; 256 samples a frame; one a row; a repository of the hub; a model of ours; the same, but "
        "longer; takes no notice"
    )
    assert [phrase for phrase in PHRASES if not re.search(phrase, sentence)] == []
    assert FRAGMENT.match("Of a stream that has begun.")
