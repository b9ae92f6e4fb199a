"""Exports that the version before the folders moved wrote, by each toolkit's own loader.

tests/golden/make_golden.py wrote them; tests/golden/test_previous.py is about the files that need no toolkit.
"""

from __future__ import annotations

import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from helpers.paths import ROOT

PREVIOUS = ROOT / "tests" / "golden" / "previous"
# Relative to the audio's peak: a few times the float32 rounding, for the reason in tests/golden/test_previous.py.
SAME_AUDIO = 1e-5
# Starts as a Python in whose site-packages `vocos enable coqui` has written its file, and asks Coqui TTS for the model.
ENABLED = """
import site
site.addsitedir("site-packages")
from TTS.config import load_config
from TTS.vocoder.models import setup_model
from safetensors.torch import load_file, save_file
config = load_config("coqui/config.json")
model = setup_model(config)
model.load_checkpoint(config, "coqui/model.safetensors", eval=True)
save_file({"audio": model.inference(load_file("expected.safetensors")["mel"])[:, 0].contiguous()}, "audio")
"""
# In place of the recipe's 13 million parameters, and of discriminators that have more.
SMALL = """
data_folder: {folder}
output_folder: {folder}
dim: 8
intermediate_dim: 16
num_layers: 1
discriminators:
  period_channels: (2, 4)
  resolution_channels: 2
"""


def by_speechbrain(folder: Path, mel: Tensor) -> Tensor:
    """SpeechBrain's stock HiFi-GAN interface."""
    from speechbrain.inference.vocoders import HIFIGAN

    return HIFIGAN.from_hparams(source=str(folder / "speechbrain")).decode_batch(mel)[:, 0]


def by_nemo(folder: Path, mel: Tensor) -> Tensor:
    """NeMo's stock HiFi-GAN class, once the module that lets it restore ours is imported."""
    import vocos_nemo.vocoder  # noqa: F401
    from nemo.collections.tts.models import HifiGanModel

    model = HifiGanModel.restore_from(str(folder / "vocos.nemo"), map_location="cpu")
    return model.convert_spectrogram_to_audio(spec=mel)


def by_coqui(folder: Path, mel: Tensor) -> Tensor:
    """What Coqui TTS's ``Synthesizer`` does with ``vocoder_config`` and ``vocoder_checkpoint``."""
    import vocos_coqui  # noqa: F401
    from TTS.config import load_config
    from TTS.vocoder.models import setup_model

    config = load_config(str(folder / "coqui" / "config.json"))
    model = setup_model(config)
    model.load_checkpoint(config, folder / "coqui" / "model.safetensors", eval=True)
    return model.inference(mel)[:, 0]


LOADERS: dict[str, Callable[[Path, Tensor], Tensor]] = {
    "speechbrain": by_speechbrain,
    "nemo": by_nemo,
    "coqui": by_coqui,
}


@pytest.fixture
def previous(tmp_path) -> Path:
    """A copy of the files: a toolkit may write next to what it loads."""
    return Path(shutil.copytree(PREVIOUS, tmp_path / "previous"))


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    """The mel ``(1, n_mels, T)``, and the audio ``(1, T * hop_length)`` by the name of the toolkit that decoded it."""
    return load_file(PREVIOUS / "expected.safetensors")


@pytest.mark.parametrize("toolkit", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in LOADERS])
def test_an_export(toolkit, previous, expected, relative_error) -> None:
    """It loads unchanged, and decodes to the audio that the version which wrote it decoded to."""
    audio = LOADERS[toolkit](previous, expected["mel"])
    assert relative_error(audio, expected[toolkit]) < SAME_AUDIO


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("vocos_speechbrain.vocoder.VOCOS.from_hparams", marks=pytest.mark.xdist_group("speechbrain")),
        pytest.param("vocos_nemo.vocoder.VocosModel", marks=pytest.mark.xdist_group("nemo")),
        pytest.param("vocos_coqui.vocoder.VocosVocoder", marks=pytest.mark.xdist_group("coqui")),
        pytest.param("vocos_coqui.vocoder.VocosVocoderConfig", marks=pytest.mark.xdist_group("coqui")),
    ],
)
def test_names_resolve(name) -> None:
    """Those whose modules import a toolkit; the others are in tests/golden/test_previous.py."""
    assert callable(pkgutil.resolve_name(name))


@pytest.mark.xdist_group("speechbrain")
def test_a_recipe_of_speechbrain(tmp_path) -> None:
    """A user's copy of hparams/vocos.yaml is built by HyperPyYAML, here with small parts."""
    from hyperpyyaml import load_hyperpyyaml

    overrides = SMALL.format(folder=tmp_path)
    with (PREVIOUS / "recipes" / "speechbrain" / "hparams" / "vocos.yaml").open() as file, torch.random.fork_rng():
        hparams = load_hyperpyyaml(file, overrides)
    assert hparams["generator"](torch.zeros(1, 80, 10)).shape == (1, 1, 2560)


@pytest.mark.xdist_group("coqui")
def test_a_configuration_of_coqui() -> None:
    """A user's copy of vocos-22khz-small.json builds the bundled model's architecture, before it had a postfilter."""
    import vocos_coqui  # noqa: F401
    from TTS.config import load_config
    from TTS.vocoder.models import setup_model

    from vocos_plugins import Vocos

    model = setup_model(load_config(str(PREVIOUS / "recipes" / "coqui" / "vocos-22khz-small.json")))
    bundled = Vocos.from_pretrained("vocos-mel-22khz-small")
    bundled.set_postfilter(None)
    assert model.model_g.config == bundled.config


@pytest.mark.xdist_group("coqui")
def test_an_enabled_environment(previous, expected, relative_error) -> None:
    """The file that ``vocos enable coqui`` wrote then finds the code of now."""
    done = subprocess.run([sys.executable, "-c", ENABLED], cwd=previous, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert relative_error(load_file(previous / "audio")["audio"], expected["coqui"]) < SAME_AUDIO
