"""Coqui TTS finds ``vocos`` where it looks for a model of that name, and nothing else changes."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import PathFinder

import pytest
from vocos_coqui import finder

pytestmark = pytest.mark.xdist_group("coqui")


@pytest.fixture
def forgotten(monkeypatch):
    """Removes the aliases from the imported modules."""
    for place in finder.PLACES:
        package, _, name = place.rpartition(".")
        monkeypatch.delitem(sys.modules, place, raising=False)
        monkeypatch.delattr(importlib.import_module(package), name, raising=False)


def test_importing_the_package_installs_the_finder_once():
    """The finder comes after Python's own; installing it again changes nothing."""
    before = list(sys.meta_path)
    finder.install()
    assert sys.meta_path == before
    assert before.count(finder.VocosFinder) == 1
    assert before.index(finder.VocosFinder) > before.index(PathFinder)


def test_coqui_finds_our_classes(forgotten):
    """Coqui TTS's own two functions find the classes, under the names that it derives from the model's."""
    from TTS.config import register_config
    from TTS.vocoder.models import setup_model
    from vocos_coqui.vocoder import VocosVocoder, VocosVocoderConfig

    assert register_config("vocos") is VocosVocoderConfig
    assert isinstance(setup_model(VocosVocoderConfig()), VocosVocoder)


def test_no_other_name_is_found():
    """No other name is found, nor the same name elsewhere."""
    names = ("TTS.vocoder.models.vocos_generator", "TTS.tts.models.vocos", "TTS.vocoder.models", "vocos", "TTS")
    assert [finder.VocosFinder.find_spec(name) for name in names] == [None] * len(names)
    with pytest.raises(ModuleNotFoundError, match=r"Config for vocoss cannot be found"):
        importlib.import_module("TTS.config").register_config("vocoss")


def test_a_module_of_coqui_s_own_wins(forgotten, tmp_path, monkeypatch):
    """If Coqui TTS gets a vocoder of that name, its own module wins."""
    import TTS.vocoder.models

    (tmp_path / "vocos.py").write_text("class Vocos: ...")
    monkeypatch.setattr(TTS.vocoder.models, "__path__", [*TTS.vocoder.models.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    assert importlib.import_module("TTS.vocoder.models.vocos").__file__ == str(tmp_path / "vocos.py")


def test_what_is_missing_is_named(forgotten, monkeypatch):
    """A missing module is an ImportError that names it; Coqui TTS would take it for an unknown model."""
    from TTS.config import register_config

    monkeypatch.setattr(finder, "VOCODER", "vocos_coqui.gone")
    with pytest.raises(ImportError, match=r"Vocos for Coqui TTS can't be imported: .*vocos_coqui\.gone") as caught:
        register_config("vocos")
    assert not isinstance(caught.value, ModuleNotFoundError)


def test_many_threads_find_the_same_class(forgotten):
    """Threads that import it for the first time, all at once, get the same class."""
    from TTS.config import register_config

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(register_config, ["vocos"] * 32))) == 1


def test_another_attribute_of_the_package():
    """Any other attribute of the package is an AttributeError."""
    import vocos_coqui

    with pytest.raises(AttributeError, match="module 'vocos_coqui' has no attribute 'atach'"):
        _ = vocos_coqui.atach
    assert vocos_coqui.attach.__module__ == vocos_coqui.detach.__module__ == "vocos_coqui.attachment"
