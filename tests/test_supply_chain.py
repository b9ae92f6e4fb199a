"""The promises of docs/supply-chain.md: no pickle is run, and no server is contacted except where it says so."""

from __future__ import annotations

import ast
import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.paths import ROOT
from vocos_plugins.storage.cards import CARDS

PAGE = (ROOT / "docs" / "supply-chain.md").read_text()
CODE = sorted(path for folder in ("vocos_plugins", "adapters") for path in (ROOT / folder).rglob("*.py"))
each = pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
# A loader that builds plain values only, and an unpickler that knows a few names.
SAFE_LOADERS = {"BoundedLoader", "_Loader"}
OWN_UNPICKLER = "statistics.py"
LOOKS_THROUGH = "pickles.py"  # at the opcodes, before torch runs them
FORBIDDEN_CALLS = {
    *("eval", "exec", "os.system", "os.popen", "marshal.loads", "joblib.load"),
    *("pickle.load", "pickle.loads", "torch.jit.load", "yaml.unsafe_load", "yaml.full_load"),
}
UNPACKING = ("extract", "extractall", "unpack_archive")
# It listens; tests/apps/studio/test_server.py checks that it connects to nothing.
SERVER = "vocos_plugins/apps/studio/server.py"
NETWORK = {"urllib.request", "requests", "http.client", "socket", "httpx", "aiohttp"}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yields every call in a module, with the dotted name of the callee."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def keyword(call: ast.Call, name: str) -> str | None:
    """Returns a keyword argument's source code."""
    return next((ast.unparse(each.value) for each in call.keywords if each.arg == name), None)


@each
def test_no_file_that_is_read_is_executed(path) -> None:
    """No unpickling except torch's restricted one, no YAML loader that builds objects, no unpacking of archives."""
    for name, call in calls(path):
        assert name not in FORBIDDEN_CALLS, name
        assert name.rpartition(".")[2] not in UNPACKING, name
        assert keyword(call, "shell") is None
        if name == "torch.load":
            assert keyword(call, "weights_only") == "True"
            assert path.name == LOOKS_THROUGH
        if name in ("np.load", "np.lib.format.read_array"):
            assert keyword(call, "allow_pickle") == "False"
        if name == "yaml.load":
            assert ast.unparse(call.args[1]) in SAFE_LOADERS
        if name == "pickle.Unpickler":
            raise AssertionError("a bare unpickler")


@each
def test_unpicklers_refuse_what_they_do_not_know(path) -> None:
    """The only unpickler has a ``find_class``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Unpickler") for base in node.bases):
            assert path.name == OWN_UNPICKLER
            assert "outline(" in path.read_text()
            assert any(isinstance(part, ast.FunctionDef) and part.name == "find_class" for part in node.body)


@each
def test_no_value_is_printed_whole_to_show_its_beginning(path) -> None:
    """``{value!r:.60}`` prints all of a value first, which a file can make endless; `shown` doesn't."""
    assert not re.search(r"![rs]:\.\d", path.read_text())


@each
def test_servers_are_contacted_in_two_places(path) -> None:
    """hub.py asks the hub, encodec_loading.py downloads EnCodec; nothing else opens a connection."""
    tree = ast.parse(path.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    listens = path.relative_to(ROOT).as_posix() == SERVER
    assert not imported & (NETWORK - {"socket"} if listens else NETWORK)
    if path.name != "hub.py":
        assert not any(name.split(".")[0] == "huggingface_hub" for name in imported)
    for name, call in calls(path):
        if name.startswith("torch.hub.load"):
            assert path.name == "encodec_loading.py"
            assert keyword(call, "check_hash") == keyword(call, "weights_only") == "True"


def test_the_page_names_what_is_pinned() -> None:
    """The page says "only" of the one pinned checkpoint, and that is true."""
    pinned = [card.name for card in CARDS if card.revision is not None and card.sha256 is not None]
    assert re.findall(r"only `([^`]+)` is pinned", PAGE) == pinned


def test_the_page_names_the_core_s_dependencies() -> None:
    """The page lists all the dependencies of the core."""
    wanted = [each for each in importlib.metadata.requires("vocos-plugins") or [] if "extra ==" not in each]
    (sentence,) = re.findall(r"The core needs (.*?)\.", PAGE, flags=re.DOTALL)
    names = [re.split("[<>= ]", requirement)[0].replace("-", "_") for requirement in wanted]
    assert sorted(re.split(r",\s+|\s+and\s+", sentence)) == sorted(names)
