"""The errors of `adapt`."""

from __future__ import annotations

from typing import Any

import pytest

from vocos_plugins import adapt
from vocos_plugins.plugins import PluginError, toolkit_adapters

MISSING = """
from vocos_plugins.config import EncodecCodes
from vocos_plugins.plugins import LazyAdapter, hookimpl

@hookimpl
def vocos_toolkit_adapter():
    return LazyAdapter(
        name=NAME, toolkit_module="not_there", distribution="not-there", features=EncodecCodes(), vocoder="nothing"
    )
"""
ASK = """
from vocos_plugins import adapt, plugins
result = {}
for name in ("song", "dance", "off", "bad"):
    try:
        adapt("a model", name)
    except ValueError as error:
        result[name] = str(error)
result["install"] = {state.name: state.install for state in plugins.plugin_states()}
"""


@pytest.fixture(scope="module")
def errors(write_distribution, run_python, tmp_path_factory) -> dict[str, Any]:
    """The errors if two toolkits are missing, one plugin is disabled and one is broken."""
    folder = tmp_path_factory.mktemp("site")
    plugins = {
        "song": MISSING.replace("NAME", "'song'"),
        "dance": MISSING.replace("NAME", "'dance'"),
        "off": MISSING.replace("NAME", "'off'"),
        "bad": "raise RuntimeError('on its knees')",
    }
    write_distribution(folder, "many", plugins)
    return run_python(ASK, folder, disable="off")["result"]


def test_a_missing_toolkit(errors) -> None:
    """The error names its module, and the extra of the plugin's distribution or else the toolkit's distribution."""
    assert errors["song"] == "'song' needs the module not_there, which isn't installed: pip install 'many[song]'"
    assert errors["dance"].endswith("isn't installed: pip install not-there")
    assert errors["install"]["song"] == "pip install 'many[song]'"


def test_a_plugin_that_takes_no_part(errors) -> None:
    """It isn't called unknown: the error says why it isn't loaded."""
    assert "'off' (many_off of many) is disabled by VOCOS_PLUGINS_DISABLE" in errors["off"]
    assert "'bad' (many_bad of many) is broken: RuntimeError: on its knees" in errors["bad"]


def test_our_own_extra_is_named(monkeypatch) -> None:
    """The error for a missing toolkit of one of our own adapters names the extra of this package."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(PluginError, match=r"'nemo' needs the module nemo, .*pip install 'vocos-plugins\[nemo\]'"):
        adapt(None, "nemo")


def test_an_unknown_toolkit() -> None:
    """The error has the nearest name and all others."""
    with pytest.raises(PluginError, match=r"unknown toolkit 'nmeo'; did you mean 'nemo'\? Available: bark, coqui"):
        adapt(None, "nmeo")
    with pytest.raises(PluginError, match=r"'unheard-of'\. Available: "):
        adapt(None, "unheard-of")
    assert "nmeo" not in toolkit_adapters()
