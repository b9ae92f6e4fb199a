"""Small text-to-speech models of Coqui TTS, and small Vocos for their mels."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from vocos_coqui.mel import COQUI_DEFAULT

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, VocosConfig

FEW_FRAMES = 30
NEVER_STOP = -10.0  # logit of Tacotron2's stop token


@pytest.fixture(scope="session")
def make_vocos(randomize) -> Callable[..., Vocos]:
    """Makes a small model with random weights, for the natural logarithm of a convention or for other fields of it."""

    def make(convention: MelConvention = COQUI_DEFAULT, seed: int = 0, **fields: Any) -> Vocos:
        natural = {"log": "natural", "log_gain": 1.0, "guard_value": 1e-5, "normalization": None, "name": ""}
        mel = dataclasses.replace(convention, **{**natural, **fields})
        backbone = ConvNeXt(dim=16, intermediate_dim=32, num_layers=2)
        head = ISTFT(n_fft=mel.n_fft, hop_length=mel.hop_length, framing=mel.framing)
        return randomize(Vocos(VocosConfig(features=mel, backbone=backbone, head=head)), seed)

    return make


def glow_tts() -> Any:
    """Returns a GlowTTS configuration of a few thousand parameters."""
    from TTS.tts.configs.glow_tts_config import GlowTTSConfig

    layers = {"kernel_size": 3, "dropout_p": 0.1, "num_layers": 1, "num_heads": 2, "hidden_channels_ffn": 16}
    return GlowTTSConfig(
        hidden_channels_enc=16,
        hidden_channels_dec=16,
        hidden_channels_dp=16,
        num_flow_blocks_dec=2,
        num_block_layers=1,
        encoder_params=layers,
    )


def fast_pitch() -> Any:
    """Returns a FastPitch configuration of half a million parameters."""
    from TTS.tts.configs.fast_pitch_config import FastPitchConfig

    config = FastPitchConfig()
    config.model_args.hidden_channels = 16
    for layers in (config.model_args.encoder_params, config.model_args.decoder_params):
        layers.update(hidden_channels_ffn=16, num_heads=1, num_layers=1)
    return config


def tacotron2() -> Any:
    """Returns a Tacotron2 configuration: its size is fixed, 28 million parameters, but it makes few steps."""
    from TTS.tts.configs.tacotron2_config import Tacotron2Config

    return Tacotron2Config(r=1, max_decoder_steps=FEW_FRAMES)


def vits() -> Any:
    """Returns a VITS configuration of a quarter of a million parameters; its model outputs a waveform."""
    from TTS.tts.configs.vits_config import VitsConfig

    config = VitsConfig()
    widths = ("hidden_channels", "hidden_channels_ffn_text_encoder", "upsample_initial_channel_decoder")
    depths = ("num_layers_text_encoder", "num_layers_flow", "num_layers_posterior_encoder")
    config.model_args.update({**dict.fromkeys(widths, 16), **dict.fromkeys(depths, 1)})
    config.model_args.update({"use_sdp": False, "init_discriminator": False})
    return config


TTS_MODELS = {"glow_tts": glow_tts, "fast_pitch": fast_pitch, "tacotron2": tacotron2, "vits": vits}


@pytest.fixture(scope="session")
def make_tts(tmp_path_factory) -> Callable[..., Path]:
    """Makes a folder with ``config.json`` and ``model.pth`` of a random TTS, by name and audio fields."""

    @functools.cache
    def write(name: str, fields: frozenset[tuple[str, Any]]) -> Path:
        from TTS.tts.models import setup_model

        config = TTS_MODELS[name]()
        config.audio.update(dict(fields))
        if name != "vits":
            config.audio.do_trim_silence = False
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = setup_model(config)
        if name == "tacotron2":
            torch.nn.init.constant_(model.decoder.stopnet[1].linear_layer.bias, NEVER_STOP)
        folder = tmp_path_factory.mktemp(name)
        config.save_json(folder / "config.json")
        torch.save({"model": model.state_dict()}, folder / "model.pth")
        return folder

    return lambda name="glow_tts", **fields: write(name, frozenset(fields.items()))


@pytest.fixture(scope="session")
def make_synthesizer() -> Callable[..., Any]:
    """Makes Coqui TTS's ``Synthesizer`` from a folder of `make_tts` and one that `export` has written."""

    def make(tts: Path, vocoder: Path | None = None) -> Any:
        from TTS.utils.synthesizer import Synthesizer

        files = {}
        if vocoder is not None:
            files = {"vocoder_checkpoint": vocoder / "model.safetensors", "vocoder_config": vocoder / "config.json"}
        return Synthesizer(tts_checkpoint=tts / "model.pth", tts_config_path=tts / "config.json", **files)

    return make


@pytest.fixture
def heard(monkeypatch) -> Callable[[Any], list[tuple[Tensor, Tensor]]]:
    """Lists a vocoder's calls by a synthesizer: the TTS's own mel ``(1, n_mels, T)``, and the audio."""

    def listen(synthesizer: Any) -> list[tuple[Tensor, Tensor]]:
        calls: list[tuple[Tensor, Tensor]] = []
        original = synthesizer._run_vocoder

        def run(mel: Tensor, device: Any) -> Tensor:
            audio = original(mel, device)
            calls.append((mel.T[None], audio))
            return audio

        monkeypatch.setattr(synthesizer, "_run_vocoder", run, raising=False)
        return calls

    return listen
