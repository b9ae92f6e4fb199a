"""Our own adapters: each is a declared plugin, cheap to load, and follows the same pattern."""

from __future__ import annotations

import ast
import importlib.metadata
import re

import pytest

from helpers.paths import ROOT
from vocos_plugins import MelConvention
from vocos_plugins.config import EncodecCodes
from vocos_plugins.plugins import mel_conventions, plugin_states, problems, toolkit_adapters

# The plugin's name, if it isn't the package's: `vocos enable vocos` names what a program imports.
NAMES = {"reference": "vocos"}
PACKAGES = {
    NAMES.get(short, short): path.name
    for path in sorted((ROOT / "adapters").glob("vocos_*"))
    for short in [path.name.removeprefix("vocos_")]
}
ADAPTERS = sorted(PACKAGES)
WITH_TOOLKITS = [name for name in ADAPTERS if name != "vocos"]
TOOLKITS = ("speechbrain", "nemo", "TTS", "bark", "transformers", "torchaudio", "encodec", "lightning", "librosa")
MAX_LINES = 60  # a plugin.py is data


def test_entry_points_are_the_adapters_directory() -> None:
    """pyproject.toml and the installed package declare every adapter."""
    expected = {name: f"{PACKAGES[name]}.plugin" for name in ADAPTERS}
    declared = (ROOT / "pyproject.toml").read_text().split("[project.entry-points.vocos_plugins]")[1].split("\n[")[0]
    assert dict(re.findall(r'^(\w+) = "(.*)"$', declared, flags=re.MULTILINE)) == expected
    installed = importlib.metadata.distribution("vocos-plugins").entry_points
    assert {each.name: each.value for each in installed if each.group == "vocos_plugins"} == expected
    assert len(ADAPTERS) == 5


def test_all_of_them_load() -> None:
    """No problem is found with the plugins of this environment."""
    assert problems() == []
    states = {state.name: state for state in plugin_states()}
    assert {"core", *ADAPTERS} <= set(states)
    assert all(states[name].hooks for name in ADAPTERS)


def test_loading_plugins_imports_no_toolkit(run_python) -> None:
    """Neither loading plugins nor reading all their data imports a toolkit."""
    outcome = run_python(
        f"""
import sys
from vocos_plugins import plugins
plugins.mel_conventions(), plugins.checkpoint_cards(), plugins.plugin_states()
features = [adapter.features for adapter in plugins.toolkit_adapters().values()]
result = [name for name in {TOOLKITS!r} if name in sys.modules]
"""
    )
    assert outcome == {"result": [], "warnings": []}


@pytest.mark.parametrize("name", WITH_TOOLKITS)
def test_the_adapter_is_called_like_its_package_and_extra(name) -> None:
    """The package, the entry point, the adapter and the extra have the same name."""
    adapter = toolkit_adapters()[name]
    assert adapter.name == name
    extras = importlib.metadata.metadata("vocos-plugins").get_all("Provides-Extra")
    assert name in extras
    toolkit = adapter.distribution.replace("_", "-")
    brought = [each for each in importlib.metadata.requires("vocos-plugins") if re.search(rf"extra == .{name}.", each)]
    assert toolkit in {re.match(r"[\w-]+", each)[0].replace("_", "-") for each in brought}


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_toolkit_is_installed_here(name) -> None:
    """The module and the distribution that the adapter names exist, so that versions can be reported."""
    state = next(state for state in plugin_states() if state.name == name)
    assert state.install is None
    assert state.toolkit_version == importlib.metadata.version(state.toolkit)


@pytest.mark.parametrize("name", ADAPTERS)
def test_what_the_toolkit_gives_by_default(name) -> None:
    """The default is one of the plugin's own conventions; Bark produces codes."""
    features = toolkit_adapters()[name].features
    if name == "bark":
        assert features == EncodecCodes()
    else:
        assert isinstance(features, MelConvention)
        assert mel_conventions()[features.name] == features


@pytest.mark.parametrize("name", ADAPTERS)
def test_another_s_file_is_nobody_s(name, tmp_path) -> None:
    """No adapter reads a convention from a plain text file."""
    (tmp_path / "notes.txt").write_text("Lorem ipsum.")
    assert toolkit_adapters()[name].read_convention(tmp_path / "notes.txt") is None


@pytest.mark.parametrize("name", ADAPTERS)
def test_plugin_modules_are_data(name) -> None:
    """Hooks return values that the module defines: no branches, no loops, few lines."""
    source = (ROOT / "adapters" / PACKAGES[name] / "plugin.py").read_text()
    assert source.count("\n") < MAX_LINES
    for node in ast.walk(ast.parse(source)):
        assert not isinstance(node, (ast.If, ast.For, ast.While, ast.Try, ast.Lambda))
        if isinstance(node, ast.FunctionDef):
            assert [type(part) for part in node.body] == [ast.Expr, ast.Return]
