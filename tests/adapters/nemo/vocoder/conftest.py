"""Small vocoders for NeMo's mels, a FastPitch of NeMo's, and mels from its preprocessor."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import vocos_nemo
from torch import Tensor

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, IMDCTCos, IMDCTSymExp, ResNet, VocosConfig, WaveNeXt
from vocos_plugins.mel.known import CONVENTIONS

# The bundled model's mel: differs from FastPitch's only in the guard, and slightly in the window.
OURS = next(mel for mel in CONVENTIONS if mel.name == "vocos-22khz")
BACKBONES = {"convnext": ConvNeXt(dim=16, intermediate_dim=32, num_layers=2), "resnet": ResNet(dim=16, num_blocks=1)}
# The smallest FastPitch, with at least 3 frames per character: its weights are random.
FASTPITCH = """
learn_alignment: true
n_speakers: 1
symbols_embedding_dim: 8
pitch_embedding_kernel_size: 3
n_mel_channels: 80
min_token_duration: 3
max_token_duration: 9
text_tokenizer:
  _target_: nemo.collections.common.tokenizers.text_to_speech.tts_tokenizers.EnglishCharsTokenizer
train_ds: {defer_setup: true, dataset: {_target_: nemo.collections.tts.data.dataset.TTSDataset}}
alignment_module: {_target_: nemo.collections.tts.modules.aligner.AlignmentEncoder, n_text_channels: 8}
input_fft: &transformer
  _target_: nemo.collections.tts.modules.transformer.FFTransformerEncoder
  n_layer: 1
  n_head: 1
  d_model: 8
  d_head: 8
  d_inner: 8
  kernel_size: 3
  dropout: 0.1
  dropatt: 0.1
  dropemb: 0.0
  d_embed: 8
output_fft:
  _target_: nemo.collections.tts.modules.transformer.FFTransformerDecoder
  n_layer: 1
  n_head: 1
  d_model: 8
  d_head: 8
  d_inner: 8
  kernel_size: 3
  dropout: 0.1
  dropatt: 0.1
  dropemb: 0.0
duration_predictor: &predictor
  _target_: nemo.collections.tts.modules.fastpitch.TemporalPredictor
  input_size: 8
  kernel_size: 3
  filter_size: 8
  dropout: 0.1
  n_layers: 1
pitch_predictor: *predictor
"""


@pytest.fixture(scope="session")
def vocoder(nemo) -> ModuleType:
    """Returns the module `vocos_nemo.vocoder`; importing it imports NeMo."""
    import vocos_nemo.vocoder

    return vocos_nemo.vocoder


@pytest.fixture(autouse=True)
def no_restore_state(nemo) -> Iterator[None]:
    """Checks that no test leaves NeMo in the state of restoring a model."""
    assert not nemo.ModelPT._is_model_being_restored()
    yield
    left = nemo.ModelPT._is_model_being_restored()
    nemo.ModelPT._set_model_restore_state(is_being_restored=False)
    assert not left


@pytest.fixture(scope="session")
def make_vocos(randomize) -> Callable[..., Vocos]:
    """Makes a small model with random weights; its mel is the bundled model's, with changes."""

    def make(head: str = "istft", backbone: str = "convnext", framing: str = "center", **mel: Any) -> Vocos:
        convention = dataclasses.replace(OURS, name="", framing=framing, **mel)
        n_fft, hop = convention.n_fft, convention.hop_length
        heads = {
            "istft": ISTFT(n_fft=n_fft, hop_length=hop, framing=framing),
            "prior": ISTFT(n_fft=n_fft, hop_length=hop, framing=framing, amplitude_prior=True),
            "imdct-symexp": IMDCTSymExp(frame_length=2 * hop, framing=framing),
            "imdct-cos": IMDCTCos(frame_length=2 * hop, framing=framing),
            "wavenext": WaveNeXt(n_fft=n_fft, hop_length=hop),
        }
        config = VocosConfig(features=convention, backbone=BACKBONES[backbone], head=heads[head])
        model: Vocos = randomize(Vocos(config, {"licence": "MIT", "steps": 3}))
        return model

    return make


@pytest.fixture(scope="session")
def nemo_config(recipe_options, make_vocos) -> Callable[..., Any]:
    """Makes a configuration of the two required blocks: FastPitch's preprocessor, changed, and a small generator."""
    from omegaconf import OmegaConf

    def make(**changes: Any) -> Any:
        options = recipe_options("nemo-fastpitch-22khz", **changes)
        return OmegaConf.create({"preprocessor": options, "generator": make_vocos().config.to_dict()})

    return make


@pytest.fixture(scope="session")
def bundled() -> Vocos:
    """Returns the model that ships with the core."""
    return Vocos.from_pretrained("vocos-mel-22khz-small")


@pytest.fixture(scope="session")
def make_mel(noise) -> Callable[..., Tensor]:
    """Makes random log mels at the level of speech, ``(B, 80, T)``."""
    return lambda batch=2, n_frames=20, seed=1: noise(batch, 80, n_frames, seed=seed) - 5


@pytest.fixture(scope="session")
def nemo_mel(nemo, recipe_options) -> Callable[..., tuple[Tensor, Tensor]]:
    """Runs NeMo's preprocessor of a convention by name on audio and lengths: mel and reported lengths."""

    def compute(name: str, audio: Tensor, *lengths: int) -> tuple[Tensor, Tensor]:
        options = recipe_options(name)
        kind = options.pop("_target_").rpartition(".")[2]
        module = getattr(nemo, kind)(**options)
        filterbank = getattr(module, "featurizer", module)
        mel, reported = filterbank(audio, torch.tensor(lengths))
        return mel, reported

    return compute


@pytest.fixture(scope="session")
def fastpitch(nemo, recipe_options) -> Any:
    """Returns a FastPitch of NeMo's for English characters, with random weights."""
    from nemo.collections.tts.models import FastPitchModel
    from omegaconf import OmegaConf

    config = OmegaConf.create(FASTPITCH)
    config.preprocessor = recipe_options("nemo-fastpitch-22khz")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return FastPitchModel(cfg=config).eval()


@pytest.fixture(scope="session")
def readme() -> Callable[[str], list[str]]:
    """Returns the code blocks in a language of the adapter's README, or its lines of shell."""
    text = (Path(vocos_nemo.__file__).parent / "README.md").read_text()

    def find(language: str) -> list[str]:
        if language == "shell":
            return "".join(re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)).splitlines()
        return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)

    return find


@pytest.fixture(scope="session")
def conventions_by_name() -> dict[str, MelConvention]:
    """Returns NeMo's conventions by name."""
    from vocos_nemo.mel import CONVENTIONS as NEMOS

    return {mel.name: mel for mel in NEMOS}
