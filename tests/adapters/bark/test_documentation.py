"""The documentation's code runs as printed; folders with random weights have the published names."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path

import pytest
import soundfile

from helpers.paths import ROOT

PAGE = (ROOT / "docs" / "bark.md").read_text()
README = (ROOT / "adapters" / "vocos_bark" / "README.md").read_text()
NOTEBOOK = json.loads((ROOT / "docs" / "bark.ipynb").read_text())
# Sections of the page whose snippets build on each other.
SECTIONS = re.split(r"\n## ", PAGE)
SENTENCE = "Hello, my dog is cute."


def snippets(text: str) -> str:
    """Returns all Python of a text, as one program."""
    return "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))


def section(title: str) -> str:
    return next(snippets(each) for each in SECTIONS if each.startswith(title))


def run(code: str, **names: object) -> dict[str, object]:
    names["__name__"] = "__main__"
    exec(compile(code, "bark.md", "exec"), names)  # noqa: S102
    return names


@pytest.fixture
def workplace(tiny, bark_model, processor, tmp_path, monkeypatch) -> Path:
    """Returns a folder in which the published names are folders: Bark with its processor, EnCodec, and a Vocos."""
    bark_model.save_pretrained(tmp_path / "suno" / "bark-small")
    processor.save_pretrained(tmp_path / "suno" / "bark-small")
    bark_model.codec_model.save_pretrained(tmp_path / "facebook" / "encodec_24khz")
    tiny.vocos_model(bark_model.codec_model).save_pretrained(tmp_path / "charactr" / "vocos-encodec-24khz")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_snippet_is_run_below() -> None:
    """Every section with Python has a test here."""
    titles = {each.splitlines()[0] for each in SECTIONS if snippets(each)}
    assert titles == {
        "transformers",
        "suno's package",
        "Coqui TTS",
        "The same codes through both",
        "Audio through EnCodec and Vocos",
        "Your own Bark",
    }


def test_transformers(workplace) -> None:
    """A single text and a batch decode, the batch both ways: 320 samples per token."""
    names = run(section("transformers"))
    assert names["audio"].shape[0] == 2
    assert names["audio"].shape[1] % 320 == 0
    assert len(names["lengths"]) == 2
    assert type(names["bark"]).__name__ == "VocosBarkModel"


def test_suno(workplace, suno, suno_parts, tiny, expected) -> None:
    """The package of suno generates audio with its models already loaded, and EnCodec is back afterwards."""
    tiny.vocos_model(suno_parts["codec"]).save_pretrained(workplace / "charactr" / "vocos-encodec-24khz")
    names = run(section("suno's package"))
    assert names["audio"].ndim == 1
    assert len(names["audio"]) % 320 == 0
    assert suno.generation.models["codec"] is suno_parts["codec"]


@pytest.mark.xdist_group("coqui")
def test_coqui(coqui_home, workplace, tiny) -> None:
    """Coqui TTS writes a file at 24 kHz."""
    from transformers import EncodecModel

    codec = EncodecModel.from_pretrained("facebook/encodec_24khz")
    tiny.vocos_model(codec).save_pretrained(workplace / "charactr" / "vocos-encodec-24khz")
    run(section("Coqui TTS"))
    assert soundfile.info("bark.wav").samplerate == 24000


def test_codes_and_audio(workplace, bark_model) -> None:
    """Codes decode; audio passes EnCodec, by name or loaded, and Vocos; the codec works by itself."""
    names = run(section("The same codes through both"))
    assert names["audio"].shape == (1, 64000)
    names = run(section("Audio through EnCodec and Vocos"), **{**names, "bark": bark_model})
    assert names["again"].shape == (1, 24000)
    assert names["codes"].shape == (8, 1, 75)
    names = run(section("Your own Bark"), **names)
    assert names["audio"].shape == (1, 1, 24000)


def test_the_adapter_s_readme(workplace) -> None:
    """The example of the adapter's README runs."""
    assert run(snippets(README))["audio"].shape[0] == 1


@pytest.fixture
def notebook(tmp_path, monkeypatch) -> list[str]:
    """Returns the notebook's code by cells; a stand-in replaces IPython, which would only show a player."""
    display = types.ModuleType("IPython.display")
    display.Audio = lambda audio, rate: (audio, rate)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples")
    monkeypatch.chdir(tmp_path)
    return ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_the_notebook(notebook, tmp_path) -> None:
    """The stored notebook runs from its first to its last cell, with tiny models and without downloads."""
    names = run("\n".join(notebook))
    assert names["REAL"] is False
    assert not (names["by_vocos"] == names["by_encodec"]).all()
    assert {path.name for path in tmp_path.iterdir()} == {"by_encodec.wav", "by_vocos.wav"}
    assert soundfile.info("by_vocos.wav").frames == names["by_vocos"].shape[1]


def test_the_notebook_with_the_real_names(notebook, workplace) -> None:
    """With ``REAL = True`` the notebook loads by the published names, which are folders here."""
    names = run("\n".join(notebook).replace("REAL = False", "REAL = True"))
    assert "tiny_bark" not in names
    assert len(names["lengths"]) == 3


def test_the_notebook_is_stored_clean() -> None:
    """The notebook is stored without outputs, which depend on who runs it."""
    assert all(not cell["outputs"] for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code")
    assert NOTEBOOK["nbformat"] == 4
