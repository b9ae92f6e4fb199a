"""The adapter's README: every snippet runs, in its order."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest
import soundfile
import torch
import typer.testing
import vocos_speechbrain

from helpers.paths import ROOT

pytestmark = pytest.mark.xdist_group("speechbrain")

README = (Path(vocos_speechbrain.__file__).parent / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
YAML = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = re.findall(r"^vocos (export .*)$", README, flags=re.MULTILINE)


@pytest.fixture
def fastspeech2(espeak, tmp_path, monkeypatch):
    """Returns the small model of this repository, whose folder SpeechBrain adds to the import path."""
    from speechbrain.inference.interfaces import foreign_class

    monkeypatch.setattr(sys, "path", [*sys.path])
    yield foreign_class(source=str(ROOT / "recipes" / "tts" / "models" / "speechbrain"))
    sys.modules.pop("phonemes", None)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """Returns a folder in which the README's commands have been run."""
    from vocos_plugins.apps.cli import app

    folder = tmp_path_factory.mktemp("readme")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in COMMANDS:
            done = typer.testing.CliRunner().invoke(app, command.split())
            assert done.exit_code == 0, done.output
    return folder


def test_there_are_snippets():
    """The patterns above find the README's snippets."""
    assert (len(COMMANDS), len(PYTHON), len(YAML)) == (1, 3, 3)


def test_commands(workplace):
    """The export writes the files that the README names."""
    assert sorted(path.name for path in (workplace / "vocos").iterdir()) == ["generator.ckpt", "hyperparams.yaml"]


def test_python(workplace, tacotron2, fastspeech2, assert_says, monkeypatch):
    """The Python snippets run as one session, with a random Tacotron2; a recogniser reads FastSpeech2 back."""
    monkeypatch.chdir(workplace)
    names = {"tacotron2": tacotron2, "fastspeech2": fastspeech2}
    shapes = []
    for snippet in PYTHON:
        exec(compile(snippet, "README.md", "exec"), names)  # noqa: S102
        shapes.append(tuple(names["waveform"].shape))
    assert shapes == [(1, 1, names["mel"].shape[-1] * 256)] * 3
    assert names["waveforms"].shape == (2, 1, names["mels"].shape[-1] * 256)
    soundfile.write("lamb.wav", names["waveforms"][0, 0].numpy(), 22050)
    assert_says(Path("lamb.wav"), "Mary had a little lamb.")


def test_yaml(workplace, mel, monkeypatch):
    """The YAML snippets load as hyperparameters: a vocoder's source, a vocoder's loader, and a trainable generator."""
    from hyperpyyaml import load_hyperpyyaml
    from speechbrain.inference.vocoders import HIFIGAN

    monkeypatch.chdir(workplace)
    fastspeech2, diffusion, hifigan = (load_hyperpyyaml(io.StringIO(snippet)) for snippet in YAML)
    named = HIFIGAN.from_hparams(source=fastspeech2["vocoder_source"], savedir=fastspeech2["vocoder_download_path"])
    assert (fastspeech2["vocoder"], fastspeech2["pretrained_vocoder"]) == ("hifi-gan", True)
    expected = named.decode_batch(mel)
    torch.testing.assert_close(diffusion["vocoder"]().decode_batch(mel), expected, rtol=0, atol=0)
    waveform = hifigan["generator"](mel)
    waveform.square().mean().backward()
    # The modules, which have gradients: float32 sums in another order, and the refinement magnifies that.
    torch.testing.assert_close(waveform.detach(), expected, rtol=0, atol=2e-4)
