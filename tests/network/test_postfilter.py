"""A postfilter: applied to predicted mels by whatever decodes them, and to nothing else."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch

from vocos_plugins import Vocos
from vocos_plugins.config import ConvNeXt, EncodecCodes, LinearPostfilter, VocosConfig
from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.inference.certificate import keeps_quality
from vocos_plugins.inference.frames import decode_frames, synthesize_frames
from vocos_plugins.inference.windows import decode_chunks
from vocos_plugins.mel import align
from vocos_plugins.plugins import mel_conventions

# Of full scale: the same products, in pieces of other shapes.
ROUNDING = 1e-5


@pytest.fixture(scope="module")
def weight(noise):
    """Twice each band, less its neighbour above, and some noise."""
    return 2 * torch.eye(80) - torch.eye(80).roll(1, dims=1) + 0.01 * noise(80, 80)


@pytest.fixture(scope="module")
def bias(noise):
    """About -3, half of what `weight` takes away."""
    return noise(80) - 3


@pytest.fixture(scope="module")
def filtered(plain, weight, bias) -> Vocos:
    """The same model with a postfilter."""
    vocos = copy.deepcopy(plain)
    vocos.set_postfilter(weight, bias)
    return vocos


@pytest.fixture(scope="module")
def mel(noise):
    """Something like speech's levels, ``(2, 80, 60)``."""
    return noise(2, 80, 60) - 5


@pytest.fixture(scope="module")
def sharper(mel, weight, bias):
    """What the postfilter makes of it, by NumPy."""
    matrix, added = weight.double().numpy(), bias.double().numpy()
    return torch.from_numpy((matrix @ mel.double().numpy() + added[:, None]).astype("float32"))


def test_decoding(plain, filtered, mel, sharper) -> None:
    """Whole, ragged, in chunks, frame by frame and in step with a toolkit: as the model decodes the filtered mel."""
    expected = plain.decode(sharper)
    assert float((expected - plain.decode(mel)).abs().max()) > 0.01
    torch.testing.assert_close(filtered.decode(mel), expected, rtol=0, atol=ROUNDING)
    lengths = torch.tensor([60, 31])
    ragged = filtered.decode(mel, lengths=lengths)
    torch.testing.assert_close(ragged, plain.decode(sharper, lengths=lengths), rtol=0, atol=ROUNDING)
    chunks = torch.cat(list(decode_chunks(filtered, mel, chunk_frames=16)), dim=1)
    torch.testing.assert_close(chunks, expected, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(decode_frames(filtered, mel), decode_frames(plain, sharper), rtol=0, atol=ROUNDING)
    with filtered.streaming(2) as stream:
        pieces = [stream(mel[:, :, at : at + 7]) for at in range(0, 60, 7)]
        streamed = torch.cat([*pieces, stream.flush()], dim=1)
    torch.testing.assert_close(streamed, expected, rtol=0, atol=ROUNDING)


def test_mels_of_another_convention_are_aligned_first(plain, filtered, mel, weight, bias) -> None:
    """The postfilter is one of the model's own mel."""
    source = mel_conventions()["coqui-ljspeech"]
    expected = plain.decode(weight @ align(source, plain.mel)(mel) + bias[:, None])
    found = filtered.decode(mel, source=source)
    n_samples = min(found.shape[1], expected.shape[1])
    torch.testing.assert_close(found[:, :n_samples], expected[:, :n_samples], rtol=0, atol=ROUNDING)


def test_recordings_are_left_alone(plain, filtered, mel, chirp) -> None:
    """Copy-synthesis, training's own call and chunks of a recording's mel are as without it."""
    audio = 0.3 * chirp(8192)
    torch.testing.assert_close(filtered(audio), plain(audio), rtol=0, atol=0)
    torch.testing.assert_close(filtered.synthesize(mel), plain.synthesize(mel), rtol=0, atol=0)
    chunks = torch.cat(list(decode_chunks(filtered, mel, postfilter=False)), dim=1)
    torch.testing.assert_close(chunks, plain.decode(mel), rtol=0, atol=ROUNDING)


def test_gradients_pass(filtered, mel, weight) -> None:
    """A toolkit that trains through its vocoder gets the gradient of the filtered mel, times the matrix."""
    predicted = mel[:1].clone().requires_grad_()
    alignment = align(filtered.mel, filtered.mel)
    synthesize_frames(filtered, predicted, alignment, postfilter=True).square().sum().backward()
    inner = filtered.postfiltered(mel[:1]).requires_grad_()
    synthesize_frames(filtered, inner, alignment).square().sum().backward()
    torch.testing.assert_close(predicted.grad, weight.T @ inner.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("half", [False, True])
def test_saved_and_loaded(filtered, mel, weight, tmp_path, half) -> None:
    """In float32 also where the other weights are float16: its products cancel."""
    filtered.save_pretrained(tmp_path / "model", half=half)
    loaded = Vocos.from_pretrained(tmp_path / "model", precision="float32")
    assert loaded.config == filtered.config
    assert torch.equal(loaded.postfilter.weight, weight)
    if not half:
        torch.testing.assert_close(loaded.decode(mel), filtered.decode(mel), rtol=0, atol=ROUNDING)


def test_removed(plain, filtered, mel, tmp_path) -> None:
    """Then model, configuration and file are those of a model that never had one."""
    vocos = copy.deepcopy(filtered)
    vocos.set_postfilter(None)
    assert vocos.config == plain.config
    assert "postfilter" not in vocos.config.to_dict()
    assert set(vocos.state_dict()) == set(plain.state_dict())
    torch.testing.assert_close(vocos.decode(mel), plain.decode(mel), rtol=0, atol=0)


def test_eight_bits_stay_certified(plain, filtered) -> None:
    """`auto` chooses by the backbone's and the head's weights, which a postfilter leaves alone."""
    assert keeps_quality(plain)["int8"]
    assert keeps_quality(filtered)["int8"]


def test_refusals(plain) -> None:
    """Shapes and values that do not fit; the model stays as it was."""
    vocos = copy.deepcopy(plain)
    for weight, bias, words in (
        (torch.eye(12), None, r"expected a postfilter of 80 bands, weight \(80, 80\) and bias \(80,\), got \(12, 12\)"),
        (torch.eye(80), torch.zeros(12), r"got \(80, 80\) and \(12,\)"),
        (torch.eye(80) / 0, None, "NaN or infinite"),
    ):
        with pytest.raises(ValueError, match=words):
            vocos.set_postfilter(weight, bias)
    assert vocos.postfilter is None
    assert vocos.config.postfilter is None


def test_configurations(filtered) -> None:
    """The kind is named and known, and EnCodec codes have no bands."""
    mapping = filtered.config.to_dict()
    assert mapping["postfilter"] == {"kind": "linear"}
    assert VocosConfig.from_dict(mapping).postfilter == LinearPostfilter()
    with pytest.raises(ConfigError, match="postfilter: unknown kind 'cubic'; expected one of linear"):
        VocosConfig.from_dict({**mapping, "postfilter": {"kind": "cubic"}})
    backbone = ConvNeXt(dim=16, intermediate_dim=32, num_layers=1)
    head = dataclasses.replace(filtered.config.head, amplitude_prior=False)
    with pytest.raises(ConfigError, match="postfilter needs mel features"):
        VocosConfig(features=EncodecCodes(hop_length=256), backbone=backbone, head=head, postfilter=LinearPostfilter())
