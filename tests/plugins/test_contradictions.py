"""Two plugins that use one name for different things are an error that names both."""

from __future__ import annotations

from typing import Any

import pytest

PREAMBLE = """
import dataclasses
from vocos_plugins.storage.cards import CARDS, CheckpointCard
from vocos_plugins.config import EncodecCodes
from vocos_plugins.mel.known import HIFIGAN_22KHZ
from vocos_plugins.plugins import LazyAdapter, hookimpl
"""
ONE = (
    PREAMBLE
    + """
@hookimpl
def vocos_mel_conventions():
    return [HIFIGAN_22KHZ, dataclasses.replace(HIFIGAN_22KHZ, name="ours", hop_length=128)]

@hookimpl
def vocos_checkpoints():
    return [CheckpointCard(name="Charactr/Vocos-Mel-24khz", origin="a mirror")]

@hookimpl
def vocos_toolkit_adapter():
    return LazyAdapter(
        name="song", toolkit_module="song", distribution="song", features=EncodecCodes(), vocoder="song_vocoder"
    )
"""
)
OTHER = ONE.replace("hop_length=128", "hop_length=64").replace("Charactr/Vocos-Mel-24khz", "somebody/else")
ASK = """
from vocos_plugins import plugins
def error(ask):
    try:
        ask()
    except plugins.PluginError as error:
        return str(error)
result = {
    "conventions": error(plugins.mel_conventions),
    "checkpoints": error(plugins.checkpoint_cards),
    "adapters": error(plugins.toolkit_adapters),
    "problems": plugins.problems(),
    "states": {state.name: state.state for state in plugins.plugin_states()},
}
"""


@pytest.fixture(scope="module")
def folder(write_distribution, tmp_path_factory):
    """Where both are installed."""
    folder = tmp_path_factory.mktemp("site")
    write_distribution(folder, "one-dist", {"one": ONE})
    write_distribution(folder, "other-dist", {"other": OTHER})
    return folder


@pytest.fixture(scope="module")
def found(folder, run_python) -> dict[str, Any]:
    """The errors there."""
    return run_python(ASK, folder)["result"]


@pytest.mark.parametrize(
    ("what", "name", "plugins"),
    [
        ("conventions", "mel convention 'ours'", ("'one' (one_dist_one of one-dist)", "'other'")),
        ("checkpoints", "checkpoint 'Charactr/Vocos-Mel-24khz'", ("'core'", "'one'")),
        ("adapters", "toolkit adapter 'song'", ("'one'", "'other' (other_dist_other of other-dist)")),
    ],
)
def test_the_error_names_both_plugins(found, what, name, plugins) -> None:
    """And the thing, and how to go on. A checkpoint's name is the hub's, which doesn't tell case apart."""
    assert name in found[what]
    assert all(plugin in found[what] for plugin in plugins)
    assert "VOCOS_PLUGINS_DISABLE=" in found[what]
    assert found[what] in found["problems"]


def test_neither_is_broken_by_it(found) -> None:
    """Which of the two is meant can't be told, and each works by itself."""
    assert found["states"]["one"] == found["states"]["other"] == "loaded"


def test_switching_one_off_helps(folder, run_python) -> None:
    """As the error says. A convention that two plugins have alike is no contradiction."""
    found = run_python(ASK, folder, disable="one")["result"]
    assert found["conventions"] is found["checkpoints"] is found["adapters"] is None
    assert found["problems"] == []
