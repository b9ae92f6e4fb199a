"""Configurations that say ``model: vocos``, read and written by Coqui TTS's own code."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from vocos_coqui.mel import COQUI_DEFAULT, COQUI_LJSPEECH

from vocos_plugins import MelMismatch
from vocos_plugins.config import ISTFT, ConvNeXt, IMDCTSymExp, ResNet, VocosConfig, WaveNeXt
from vocos_plugins.config.mapping import ConfigError

pytestmark = pytest.mark.xdist_group("coqui")

LJSPEECH = {"signal_norm": False, "mel_fmax": 8000, "spec_gain": 1.0, "log_func": "np.log"}


def n_parameters(module):
    """Returns the number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture
def load(write):
    """Returns a function that builds the model of a configuration's fields, as ``Synthesizer`` does."""
    from TTS.config import load_config
    from TTS.vocoder.models import setup_model

    return lambda **fields: setup_model(load_config(write({"model": "vocos", **fields})))


def test_nothing_but_the_name(load):
    """The name alone builds the paper's model, for natural logarithms of Coqui TTS's own bands and frames."""
    from vocos.heads import ISTFTHead
    from vocos.models import VocosBackbone

    vocoder = load()
    assert vocoder.source == COQUI_DEFAULT
    assert vocoder.model_g.mel == dataclasses.replace(COQUI_DEFAULT, log="natural", log_gain=1.0, normalization=None)
    reference = VocosBackbone(80, 512, 1536, 8), ISTFTHead(512, 1024, 256)
    assert n_parameters(vocoder.model_g) == sum(map(n_parameters, reference))
    assert vocoder.MODEL_TYPE == "vocoder"
    assert next(vocoder.parameters()).device == vocoder.device == torch.device("cpu")


def test_audio_block_alone(load):
    """The audio block alone determines the mel and the head."""
    vocoder = load(audio={**LJSPEECH, "sample_rate": 24000, "hop_length": 300, "win_length": 1200, "fft_size": 2048})
    assert vocoder.model_g.mel == vocoder.source
    assert (vocoder.source.sample_rate, vocoder.source.f_max) == (24000, 8000.0)
    assert (vocoder.model_g.config.head.n_fft, vocoder.model_g.config.head.hop_length) == (2048, 300)


def test_what_was_not_said_is_written(load, tmp_path):
    """A model's own configuration spells out its parts, so that later defaults change nothing."""
    from TTS.config import load_config
    from TTS.vocoder.models import setup_model

    vocoder = load(audio=LJSPEECH, run_name="mine")
    vocoder.config.save_json(tmp_path / "saved.json")
    saved = json.loads((tmp_path / "saved.json").read_text())
    assert (saved["model"], saved["run_name"]) == ("vocos", "mine")
    parts = {name: saved["model_args"][name] for name in ("features", "backbone", "head")}
    assert VocosConfig.from_dict(parts) == vocoder.model_g.config
    again = setup_model(load_config(tmp_path / "saved.json"))
    assert again.model_g.config == vocoder.model_g.config
    assert again.source == vocoder.source == COQUI_LJSPEECH


BACKBONES = {"convnext": ConvNeXt(dim=16, intermediate_dim=32, num_layers=2), "resnet": ResNet(dim=16, num_blocks=2)}
HEADS = {
    "istft": ISTFT(n_fft=1024, hop_length=256),
    "prior": ISTFT(n_fft=1024, hop_length=256, amplitude_prior=True),
    "imdct": IMDCTSymExp(frame_length=512),
    "wavenext": WaveNeXt(n_fft=1024, hop_length=256),
}


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("head", HEADS)
def test_parts_of_every_kind(backbone, head, load):
    """Every backbone and head survives the round trip through Coqpit."""
    mel = dataclasses.replace(COQUI_LJSPEECH, framing="same" if head == "wavenext" else "center")
    config = VocosConfig(features=mel, backbone=BACKBONES[backbone], head=HEADS[head])
    assert load(audio=LJSPEECH, model_args=config.to_dict()).model_g.config == config


def test_parts_that_are_wrong(load, make_vocos):
    """Coqpit silently drops unknown fields; the error names what is missing then."""
    parts = make_vocos().config.to_dict()
    misspelt = {"features": parts["features"], "backbone": parts["backbone"], "heads": parts["head"]}
    with pytest.raises(ConfigError, match=r"model_args: .*missing head"):
        load(model_args=misspelt)
    parts["backbone"]["layers"] = 3
    with pytest.raises(ConfigError, match=r"model_args: backbone: unknown key 'layers'"):
        load(model_args=parts)


def test_audio_block_of_another_mel(load, make_vocos):
    """A mel that can't be converted is refused when the model is built, long before the first word."""
    parts = make_vocos(COQUI_DEFAULT).config.to_dict()
    with pytest.raises(MelMismatch, match=r"(?s)has no information for .*f_max: 3000\.0 against 11025"):
        load(model_args=parts, audio={**LJSPEECH, "mel_fmax": 3000.0})


def test_discriminators_are_only_for_training(load):
    """A model for inference has none; they are made with the criterion, which Coqui TTS's trainer asks for first."""
    vocoder = load(model_args={})
    assert not any(name.startswith("model_d") for name in vocoder.state_dict())
    discriminators, generator = vocoder.get_criterion()
    assert discriminators.objective is generator.objective
    assert any(name.startswith("model_d.multi_period.") for name in vocoder.state_dict())
