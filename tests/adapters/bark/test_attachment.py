"""Puts a Vocos into a Bark and takes it out again; refuses what doesn't fit."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import types
import warnings

import pytest
import torch
import vocos_bark
from vocos_bark.codec import CodesMismatch, VocosCodec

from vocos_plugins import MelConvention, Vocos, adapt
from vocos_plugins.config import ISTFT, ConvNeXt, EncodecCodes, VocosConfig
from vocos_plugins.network.encodec_encoder import CodebookWarning

TOOLKITS = ("torch", "transformers", "bark", "encodec", "TTS", "torchaudio", "vocos_plugins")


def small(features: EncodecCodes | MelConvention) -> Vocos:
    """Returns a model of a few thousand parameters for features."""
    framing = features.framing if isinstance(features, MelConvention) else "same"
    head = ISTFT(n_fft=4 * features.hop_length, hop_length=features.hop_length, framing=framing)
    return Vocos(VocosConfig(features=features, backbone=ConvNeXt(dim=8, intermediate_dim=8, num_layers=1), head=head))


def test_the_block_s_end_puts_everything_back(bark_model, vocos) -> None:
    """The same EnCodec and the same keys are back after the block, also if an error ends it."""
    codec, keys = bark_model.codec_model, list(bark_model.state_dict())
    with vocos_bark.using(bark_model, vocos) as attached:
        assert bark_model.codec_model is attached
    assert bark_model.codec_model is codec
    with pytest.raises(KeyError), vocos_bark.using(bark_model, vocos):
        raise KeyError
    assert bark_model.codec_model is codec
    assert list(bark_model.state_dict()) == keys


def test_blocks_within_blocks(bark_model, vocos) -> None:
    """The inner block takes over and hands back to the outer; EnCodec is found below both."""
    codec = bark_model.codec_model
    other = copy.deepcopy(vocos)
    with vocos_bark.using(bark_model, vocos) as outer:
        with vocos_bark.using(bark_model, other) as inner:
            assert bark_model.codec_model is inner
            assert inner.codec is codec
        assert bark_model.codec_model is outer
    assert bark_model.codec_model is codec


def test_attach_and_detach(bark_model, vocos) -> None:
    """Attaching again changes the Vocos; detaching brings EnCodec back, and a second time does nothing."""
    codec = bark_model.codec_model
    for _ in range(2):
        attached = vocos_bark.attach(bark_model, vocos)
        assert bark_model.codec_model is attached
        assert attached.codec is codec
        assert not attached.training
    for _ in range(2):
        vocos_bark.detach(bark_model)
        assert bark_model.codec_model is codec


def test_others_in_the_process_are_untouched(tiny, bark_model, vocos, processor) -> None:
    """Another Bark, its class, and EnCodec itself work as before."""
    other = tiny.bark_model()
    classes = {
        cls: dict(vars(cls)) for cls in (type(bark_model), type(other.codec_model), type(other.codec_model.decoder))
    }
    codes = torch.randint(1024, (1, 8, 9))
    before = other.codec_decode(codes)
    with vocos_bark.using(bark_model, vocos):
        assert torch.equal(other.codec_decode(codes), before)
        assert not torch.equal(bark_model.codec_decode(codes), before)
        assert all(dict(vars(cls)) == names for cls, names in classes.items())


def test_the_bandwidth_is_bark_s(bark_model, vocos, spy) -> None:
    """8 codebooks are bandwidth 2 of the published model; another one can be chosen, a missing one is refused."""
    told = []
    original = vocos.decode
    vocos.decode = lambda *args, bandwidth_id, **options: (
        told.append(bandwidth_id) or original(*args, bandwidth_id=bandwidth_id, **options)
    )
    codes = torch.randint(1024, (1, 8, 9))
    for options in ({}, {"bandwidth_id": 3}):
        with vocos_bark.using(bark_model, vocos, **options):
            bark_model.codec_decode(codes)
    assert told == [2, 3]
    codec = bark_model.codec_model
    with pytest.raises(ValueError, match=r"bandwidth_id must be 0 \(1\.5 kb/s\).*got \[4\]"):
        vocos_bark.attach(bark_model, vocos, bandwidth_id=4)
    assert bark_model.codec_model is codec


def test_a_model_without_bandwidths(bark_model, tiny) -> None:
    """A model without bandwidths gets no bandwidth_id."""
    vocos = small(EncodecCodes())
    vocos.feature_extractor.codebook_weights.data.copy_(
        tiny.vocos_model(bark_model.codec_model).feature_extractor.codebook_weights
    )
    codes = torch.randint(1024, (1, 8, 9))
    with vocos_bark.using(bark_model, vocos):
        audio = bark_model.codec_decode(codes)
    assert torch.equal(audio, vocos.decode(vocos.codes_to_features(codes.transpose(0, 1))))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (
            MelConvention(sample_rate=24000, n_fft=1024, win_length=1024, hop_length=256, n_mels=100, framing="center"),
            r"takes mels of 100 bands: load an EnCodec model, such as charactr/vocos-encodec-24khz",
        ),
        (
            EncodecCodes(sample_rate=48000, bandwidths=(3.0, 6.0, 12.0)),
            "this model's differ: sample_rate is 48000 instead of 24000",
        ),
        (EncodecCodes(codebook_size=2048, bandwidths=(6.6,)), "codebook_size is 2048 instead of 1024"),
        (EncodecCodes(codebook_dim=64), "codebook_dim is 64 instead of 128"),
        (EncodecCodes(bandwidths=(1.5, 12.0)), r"Bark outputs 8 codebooks \(6 kb/s\); this model takes 2, 16"),
    ],
    ids=["mel", "rate", "codebook-size", "codebook-dim", "bandwidths"],
)
def test_models_that_cannot(features, message, bark_model) -> None:
    """Every function refuses models for other codes, with the reason, and changes nothing."""
    codec, vocos = bark_model.codec_model, small(features)
    with pytest.raises(CodesMismatch, match=message):
        vocos_bark.attach(bark_model, vocos)
    with pytest.raises(CodesMismatch, match=message), vocos_bark.using(bark_model, vocos):
        pytest.fail("the block was entered")
    with pytest.raises(CodesMismatch, match=message):
        adapt(vocos, "bark")
    assert bark_model.codec_model is codec


def test_other_codebooks_are_warned_of(bark_model, vocos) -> None:
    """A Vocos for another EnCodec would babble, so it is warned of; rounding to half precision is not."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CodebookWarning)
        vocos_bark.attach(bark_model.half(), vocos)
    vocos.feature_extractor.codebook_weights.data.normal_()
    with pytest.warns(CodebookWarning, match="EnCodec's codebooks are not the model's own"):
        vocos_bark.attach(bark_model, vocos)


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ("bark", "a str"),
        (None, "a NoneType"),
        (torch.nn.Linear(1, 1), "a Linear"),
        (json, "the module json"),
        (types.SimpleNamespace(model=torch.nn.Linear(1, 1)), "a SimpleNamespace"),
    ],
    ids=["text", "none", "module", "python-module", "pipeline"],
)
def test_what_is_no_bark(other, name, vocos) -> None:
    """The error names the object, and what is accepted."""
    for function in (vocos_bark.attach, lambda bark, _: vocos_bark.detach(bark)):
        with pytest.raises(TypeError, match=f"expected transformers' BarkModel.*got {name}"):
            function(other, vocos)


def test_another_model_with_a_codec_model(vocos) -> None:
    """Other transformers models with a `codec_model` are refused: their codes are not EnCodec's."""
    other = torch.nn.Module()
    other.config = types.SimpleNamespace(model_type="csm")
    other.codec_model = torch.nn.Module()
    with pytest.raises(TypeError, match="got a Module"):
        vocos_bark.attach(other, vocos)


def test_adapt_gives_the_object_itself(vocos, bark_model, expected) -> None:
    """The codec has the two calls that every Bark ends with; where it needs EnCodec, the error says what to do."""
    codec = adapt(vocos, "bark")
    assert isinstance(codec, VocosCodec)
    codes = torch.randint(1024, (8, 2, 9), dtype=torch.int32)
    audio = codec.decoder(codec.quantizer.decode(codes))
    assert audio.shape == (2, 1, 2880)
    for row in range(2):
        assert (audio[row, 0] - expected(vocos, codes[:, row])).abs().max() < 1e-6  # rows of a batch round differently
    assert not hasattr(codec, "encode")
    with pytest.raises(
        AttributeError, match="'encode' is EnCodec's, and no EnCodec is loaded here: load Bark's models before"
    ):
        codec.encode(torch.zeros(1, 1, 320))
    bark_model.codec_model = codec
    assert torch.equal(bark_model.codec_decode(codes.transpose(0, 1).long()), audio[:, 0])


def test_bark_has_no_mel(vocos) -> None:
    """A source convention is refused, since Bark has no mel."""
    mel = MelConvention(
        name="mine", sample_rate=24000, n_fft=1024, win_length=1024, hop_length=256, n_mels=100, framing="center"
    )
    with pytest.raises(CodesMismatch, match="Bark outputs EnCodec codes, not mels: leave out source='mine'"):
        adapt(vocos, "bark", source=mel)


def test_importing_is_cheap() -> None:
    """The package imports no toolkit, nor torch; it has its functions and no others."""
    code = f"""
import json, sys, vocos_bark
print(json.dumps([name for name in {TOOLKITS!r} if name in sys.modules]))
vocos_bark.using
print(json.dumps([name for name in {TOOLKITS!r} if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    package, functions = map(json.loads, done.stdout.splitlines())
    assert package == []
    assert functions == ["torch", "vocos_plugins"]
    with pytest.raises(AttributeError, match="'vocos_bark' has no attribute 'nonsense'"):
        _ = vocos_bark.nonsense
