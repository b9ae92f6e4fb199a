"""Every hook works, has a test here, and is documented with its signature."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from helpers.paths import ROOT
from vocos_plugins import Vocos, plugins
from vocos_plugins.mel.known import CONVENTIONS
from vocos_plugins.plugins.adapter import ToolkitAdapter
from vocos_plugins.plugins.catalogue import HOOK_NOUNS, find_card
from vocos_plugins.plugins.hookspecs import ADAPTER_PARTS, READERS, Hooks
from vocos_plugins.storage.cards import CARDS

DOCUMENT = (ROOT / "docs" / "plugins.md").read_text()
HOOKS = [name for name in vars(Hooks) if name.startswith("vocos_")]
PREAMBLE = """
import dataclasses
from vocos_plugins.storage.cards import CheckpointCard
from vocos_plugins.config import EncodecCodes
from vocos_plugins.mel.known import HIFIGAN_22KHZ
from vocos_plugins.plugins import LazyAdapter, hookimpl
"""
CONVENTION = """
@hookimpl
def vocos_mel_conventions():
    yield dataclasses.replace(HIFIGAN_22KHZ, name="mine-16khz", sample_rate=16000)
"""
CHECKPOINT = """
@hookimpl
def vocos_checkpoints():
    return (CheckpointCard(name="somebody/vocos-of-mine", refusal="it is a secret; ask somebody", origin="me"),)
"""
ADAPTER = """
@hookimpl
def vocos_toolkit_adapter():
    return LazyAdapter(
        name="song", toolkit_module="song_toolkit", distribution="song", features=EncodecCodes(), vocoder="song_vocoder"
    )
"""


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test(hook) -> None:
    """A test of this file is named after each hook."""
    source = Path(__file__).read_text()
    assert re.search(rf"^def test_{hook}\b", source, flags=re.MULTILINE), f"no test_{hook}"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented(hook) -> None:
    """The documentation has a heading with the hook's exact signature."""
    signature = inspect.signature(getattr(Hooks, hook))
    signature = signature.replace(parameters=[p for p in signature.parameters.values() if p.name != "self"])
    assert f"\n### `{hook}{str(signature).replace(chr(39), '')}`\n" in DOCUMENT
    assert inspect.getdoc(getattr(Hooks, hook))


def test_no_hook_is_forgotten() -> None:
    """Each hook has a reader and a noun for error messages, and the documentation describes no others."""
    assert set(HOOKS) == set(READERS) == set(HOOK_NOUNS)
    assert set(re.findall(r"^### `(\w+)\(", DOCUMENT, flags=re.MULTILINE)) == set(HOOKS)
    assert len(HOOKS) == 3


def test_every_part_of_an_adapter_is_required() -> None:
    """The check of an adapter covers the whole protocol, so that no command meets a missing method."""
    assert set(ADAPTER_PARTS) == {name for name in vars(ToolkitAdapter) if not name.startswith("_")}


def test_vocos_mel_conventions(write_distribution, run_python, tmp_path) -> None:
    """It lists the core's conventions and a third party's, each with the plugin that it comes from."""
    ours = plugins.mel_conventions()
    assert {mel.name: mel for mel in CONVENTIONS}.items() <= ours.items()
    assert {plugins.convention_plugins()[mel.name] for mel in CONVENTIONS} == {"core"}
    write_distribution(tmp_path, "third", {"third": PREAMBLE + CONVENTION})
    outcome = run_python(
        "from vocos_plugins import plugins\n"
        "mel = plugins.mel_conventions()['mine-16khz']\n"
        "result = [mel.sample_rate, plugins.convention_plugins()[mel.name]]",
        tmp_path,
    )
    assert outcome == {"result": [16000, "third"], "warnings": []}


def test_vocos_checkpoints(write_distribution, run_python, tmp_path) -> None:
    """It lists the core's cards and a third party's, which loading by name then follows."""
    assert list(plugins.checkpoint_cards().values()) == list(CARDS)
    assert find_card(CARDS[0].name.upper()) is CARDS[0]
    write_distribution(tmp_path, "third", {"third": PREAMBLE + CHECKPOINT})
    outcome = run_python(
        """
from vocos_plugins import Vocos
result = []
for name in ("somebody/vocos-of-mine", "Somebody/Vocos-of-Mine"):
    try:
        Vocos.from_pretrained(name)
    except ValueError as error:
        result.append(str(error))
""",
        tmp_path,
    )
    assert [text.split("can't be loaded: ")[1] for text in outcome["result"]] == ["it is a secret; ask somebody"] * 2


def test_vocos_toolkit_adapter(write_distribution, run_python, tmp_path) -> None:
    """An adapter is found by its name and gets the arguments of `adapt`; its toolkit is found without an import."""
    write_distribution(tmp_path, "third", {"third": PREAMBLE + ADAPTER})
    (tmp_path / "song_toolkit.py").write_text("")
    (tmp_path / "song_vocoder.py").write_text(
        "import song_toolkit\ndef wrap(vocos, *, source, strict): return [vocos, source, strict]"
    )
    outcome = run_python(
        """
import pathlib, sys
from vocos_plugins import adapt, plugins
adapter = plugins.toolkit_adapters()["song"]
state = [state for state in plugins.plugin_states() if state.name == "third"][0]
before = "song_toolkit" in sys.modules
mel = plugins.mel_conventions()["hifigan-22khz"]
wrapped = [adapt("a model", "song"), adapt("a model", "song", source=mel, strict=True)]
wrapped[1][1] = wrapped[1][1].name
read = adapter.read_convention(pathlib.Path("any"))
toolkit = [state.toolkit_module, state.toolkit, state.toolkit_version, state.install]
result = [before, wrapped, read, toolkit, state.hooks]
""",
        tmp_path,
    )
    before, wrapped, read, toolkit, hooks = outcome["result"]
    assert before is False
    assert wrapped == [["a model", None, False], ["a model", "hifigan-22khz", True]]
    assert read is None
    assert toolkit == ["song_toolkit", "song", None, None]
    assert hooks == ["vocos_toolkit_adapter"]


def test_loading_a_bundled_name_asks_no_plugin(write_distribution, run_python, tmp_path) -> None:
    """A broken plugin, or one that contradicts the core, can't get in the way."""
    write_distribution(tmp_path, "bad", {"bad": "raise RuntimeError('imported')"})
    outcome = run_python(
        "import sys\n"
        "from vocos_plugins import Vocos\n"
        "vocos = Vocos.from_pretrained('vocos-mel-22khz-small')\n"
        f"vocos.save_pretrained({str(tmp_path / 'saved')!r})\n"
        f"Vocos.from_pretrained({str(tmp_path / 'saved')!r})\n"
        "result = 'bad_bad' in sys.modules",
        tmp_path,
    )
    assert outcome == {"result": False, "warnings": []}


def test_an_unknown_checkpoint_is_answered_with_third_parties_too(monkeypatch) -> None:
    """The suggested names include those of all plugins."""
    from vocos_plugins.storage import cards

    extra = cards.CheckpointCard(name="somebody/vocos-mel-96khz", origin="somebody")
    monkeypatch.setattr(cards, "CARDS", (*CARDS, extra))
    with pytest.raises(ValueError, match="did you mean 'somebody/vocos-mel-96khz'"):
        Vocos.from_pretrained("vocos-mel-96kHz")
