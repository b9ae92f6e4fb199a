"""Two plugins that use the same name for different things raise an error that names both."""

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
    """A folder where both are installed."""
    folder = tmp_path_factory.mktemp("site")
    write_distribution(folder, "one-dist", {"one": ONE})
    write_distribution(folder, "other-dist", {"other": OTHER})
    return folder


@pytest.fixture(scope="module")
def survey(folder, run_python) -> dict[str, Any]:
    """The errors in that environment."""
    return run_python(ASK, folder)["result"]


@pytest.mark.parametrize(
    ("what", "name", "plugins"),
    [
        ("conventions", "mel convention 'ours'", ("'one' (one_dist_one of one-dist)", "'other'")),
        ("checkpoints", "checkpoint 'Charactr/Vocos-Mel-24khz'", ("'core'", "'one'")),
        ("adapters", "toolkit adapter 'song'", ("'one'", "'other' (other_dist_other of other-dist)")),
    ],
)
def test_the_error_names_both_plugins(survey, what, name, plugins) -> None:
    """The error also names the item and a way out. Names of checkpoints ignore case, as on the Hugging Face hub."""
    assert name in survey[what]
    assert all(plugin in survey[what] for plugin in plugins)
    assert "VOCOS_PLUGINS_DISABLE=" in survey[what]
    assert survey[what] in survey["problems"]


def test_neither_is_broken_by_it(survey) -> None:
    """Both stay loaded, since each works by itself."""
    assert survey["states"]["one"] == survey["states"]["other"] == "loaded"


def test_switching_one_off_helps(folder, run_python) -> None:
    """The error's advice works. Two plugins may define the same convention if it is equal."""
    survey = run_python(ASK, folder, disable="one")["result"]
    assert survey["conventions"] is survey["checkpoints"] is survey["adapters"] is None
    assert survey["problems"] == []
