"""Quirks of the published package: each is shown there, and fixed here."""

import copy
import dataclasses

import pytest
import torch

from vocos_plugins import Vocos
from vocos_plugins.config import ISTFT, ResNet

# One computation in different batch shapes: float32 rounding relative to the peak.
ROUNDING = 2e-6
# Precisions of the layers before the float32 spectrum; exponentials and phases magnify them.
HALF_PRECISION = {torch.float16: 0.005, torch.bfloat16: 0.05}
# Float32 against float64 through a ResNet, which no norm keeps near 1.
SINGLE = 2e-5


@pytest.fixture(scope="module")
def encodec_pair(make_config, make_reference, randomize):
    """An EnCodec model of this package and one of the reference, with equal weights."""
    config = make_config("encodec-24khz", "adanorm", "istft", "same")
    reference = randomize(make_reference(config))
    ours = Vocos(config).eval()
    weights = {k: v for k, v in reference.state_dict().items() if not k.startswith("feature_extractor.encodec.")}
    ours.load_state_dict(weights)
    return ours, reference


@pytest.mark.parametrize("head", ["imdct-symexp", "imdct-cos"])
def test_clip_audio_clips_audio(head, make_config, make_reference, randomize, noise):
    """``clip_audio`` bounds the waveform; the reference returns clipped coefficients of another shape."""
    config = make_config("mel", "convnext", head, "same")
    clipping = dataclasses.replace(config, head=dataclasses.replace(config.head, clip_audio=True))
    features = 3 * noise(2, 12, 20)
    free = randomize(Vocos(config)).decode(features)
    assert free.abs().max() > 1.5
    assert torch.equal(randomize(Vocos(clipping)).decode(features), free.clamp(-1, 1))
    assert make_reference(clipping).decode(features).dim() == 3


@pytest.mark.parametrize(
    "form",
    [
        2,
        torch.tensor(2, dtype=torch.uint16),
        torch.tensor([2]),
        torch.tensor([[2]]),
        torch.tensor([2, 2, 2]),
        torch.tensor([[2]] * 3),
    ],
    ids=["int", "()", "(1,)", "(1,1)", "(B,)", "(B,1)"],
)
def test_bandwidth_in_any_form(form, make_model, noise, relative_error):
    """One bandwidth for all rows may be a number or a tensor of any shape that holds it."""
    model = make_model("encodec", "adanorm", "istft", "same")
    features = noise(3, 12, 15)
    expected = torch.cat([model.decode(row[None], bandwidth_id=2) for row in features])
    assert relative_error(model.decode(features, bandwidth_id=form), expected) < ROUNDING


def test_bandwidths_per_row(encodec_pair, noise, relative_error):
    """Bandwidths ``(B,)`` are one per row; with B = T the reference takes them for frames."""
    ours, reference = encodec_pair
    features, bandwidths = noise(4, 128, 4), torch.tensor([0, 1, 2, 3])
    expected = torch.cat([ours.decode(features[row, None], bandwidth_id=row) for row in range(4)])
    assert relative_error(ours.decode(features, bandwidth_id=bandwidths), expected) < ROUNDING
    assert relative_error(ours.decode(features, bandwidth_id=bandwidths[:, None]), expected) < ROUNDING
    assert relative_error(reference.decode(features, bandwidth_id=bandwidths), expected) > 0.1
    with pytest.raises(TypeError):
        reference.decode(features, bandwidth_id=2)


@pytest.mark.parametrize(
    ("bandwidth_id", "message"),
    [
        (None, r"needs a bandwidth_id: 0 \(4 kb/s\).*3 \(16 kb/s\)"),
        (4, r"0 \(4 kb/s\).*got \[4\]"),
        (-1, r"got \[-1\]"),
        (torch.tensor([0, 1]), r"one integer or 3 .*shape \(2,\)"),
        (torch.tensor([0.0]), "torch.float32"),
        (True, "torch.bool"),
        (torch.zeros(1, 3, 1, dtype=torch.int64), r"shape \(1, 3, 1\)"),
    ],
    ids=["none", "too-large", "negative", "two-for-three", "float", "bool", "3-D"],
)
def test_impossible_bandwidths(bandwidth_id, message, make_model, noise):
    """A missing, unknown or misshapen bandwidth is refused, and the error lists the valid ones."""
    model = make_model("encodec", "adanorm", "istft", "same")
    with pytest.raises(ValueError, match=message):
        model.decode(noise(3, 12, 5), bandwidth_id=bandwidth_id)


@pytest.mark.parametrize("backbone", ["convnext", "resnet"])
def test_bandwidth_for_an_unconditioned_model(backbone, make_model, noise):
    """A model without bandwidths refuses one instead of ignoring it."""
    with pytest.raises(ValueError, match="no bandwidths; leave bandwidth_id=1 out"):
        make_model("mel", backbone).decode(noise(1, 12, 5), bandwidth_id=1)


def test_output_can_be_edited_and_used_in_training(make_model, make_config, make_reference, noise):
    """`decode` returns ordinary tensors; the reference's are inference tensors that autograd refuses."""
    weight = torch.ones(1, requires_grad=True)
    audio = make_model().decode(noise(1, 12, 9))
    audio.mul_(0.5)
    assert not audio.requires_grad
    (audio * weight).sum().backward()
    assert weight.grad is not None
    with pytest.raises(RuntimeError, match="nference tensor"):
        make_reference(make_config()).decode(noise(1, 12, 9)).mul_(0.5)


@pytest.mark.parametrize("backbone", ["convnext", "resnet", "adanorm"])
@pytest.mark.parametrize("head", ["istft", "prior", "imdct-symexp", "imdct-cos", "wavenext"])
def test_synthesize_trains_every_parameter(backbone, head, make_model, noise):
    """Every parameter of every part has a finite, non-zero gradient through `synthesize`."""
    model = make_model("mel", backbone, head, "same")
    if head == "wavenext":  # keeps the samples inside the clip, where they have gradients
        torch.nn.init.normal_(model.head.linear_2.weight, std=0.001)
    ids = torch.arange(4)[:, None] if backbone == "adanorm" else None
    model.synthesize(noise(4, 12, 9), ids).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("head", ["istft", "imdct-symexp"])
def test_one_centred_frame_is_empty(head, make_model, make_config, make_reference, noise):
    """A single centred frame spans no samples: the result is empty, while the reference's iSTFT fails."""
    assert make_model("mel", "convnext", head).decode(noise(3, 12, 1)).shape == (3, 0)
    if head == "istft":
        with pytest.raises(RuntimeError):
            make_reference(make_config()).decode(noise(3, 12, 1))


@pytest.mark.parametrize(("framing", "n_samples"), [("center", 32 * 8), ("same", 32 * 9)])
def test_hop_of_a_whole_frame(framing, n_samples, make_config, make_reference, randomize, noise):
    """With n_fft equal to the hop, the length is right; the reference's ``same`` framing returns no samples."""
    config = make_config("mel", "convnext", "istft", framing)
    mel = dataclasses.replace(config.features, hop_length=32, win_length=32, n_fft=32)
    config = dataclasses.replace(config, features=mel, head=ISTFT(n_fft=32, hop_length=32, framing=framing))
    audio = randomize(Vocos(config)).decode(noise(2, 12, 9))
    assert audio.shape == (2, n_samples)
    assert torch.isfinite(audio).all()
    if framing == "same":
        assert make_reference(config).decode(noise(2, 12, 9)).shape == (2, 0)


def test_odd_half_frame_of_the_imdct(noise, monkeypatch):
    """Half frames of odd length are inverted; the reference's inverse mirrors them with the wrong sign."""
    import scipy.signal
    from vocos.spectral_ops import IMDCT, MDCT

    from vocos_plugins.spectral import imdct, mdct, sine_window

    # scipy moved this window to scipy.signal.windows after the package was published.
    monkeypatch.setattr(scipy.signal, "cosine", scipy.signal.windows.cosine, raising=False)
    audio = noise(1, 15 * 6)
    inverse = imdct(mdct(audio, sine_window(30)), sine_window(30))
    torch.testing.assert_close(inverse, audio, rtol=0, atol=ROUNDING)
    assert (IMDCT(30, "center")(MDCT(30, "center")(audio)) - audio).abs().max() > 0.1


@pytest.mark.parametrize("head", ["istft", "prior", "imdct-symexp", "imdct-cos", "wavenext"])
@pytest.mark.parametrize("dtype", HALF_PRECISION, ids=["half", "bfloat16"])
def test_half_precision_returns_float32(dtype, head, make_model, noise, relative_error):
    """A model in half precision sums its waveform in float32 and stays close to the exact audio."""
    model = make_model("mel", "convnext", head, "same")
    with torch.no_grad():  # outputs near those of trained models, where exp() magnifies less
        for layer in (model.head.linear_2,) if head == "wavenext" else (model.head.out,):
            layer.weight.mul_(0.3)
    features = noise(2, 12, 20)
    exact = model.decode(features)
    audio = model.to(dtype).decode(features)
    assert audio.dtype == torch.float32
    assert relative_error(audio, exact) < HALF_PRECISION[dtype]


@pytest.mark.parametrize("backbone", ["convnext", "resnet"])
@pytest.mark.parametrize("head", ["istft", "prior", "imdct-symexp", "imdct-cos", "wavenext"])
def test_double_precision(backbone, head, make_model, noise, relative_error):
    """A float64 model computes in float64 throughout, and agrees with the float32 model."""
    model, features = make_model("mel", backbone, head, "same"), noise(2, 12, 20)
    single = model.decode(features)
    double = model.double().decode(features)
    assert double.dtype == torch.float64
    assert 0 < relative_error(single, double) < SINGLE
    assert not torch.equal(double, double.float().double())


@pytest.mark.parametrize("backbone", ["convnext", "resnet"])
def test_a_used_model_can_be_copied(backbone, make_model, noise):
    """``deepcopy`` after a call returns an independent model with equal output."""
    model, features = make_model("mel", backbone), noise(1, 12, 9)
    expected = model.decode(features)
    twin = copy.deepcopy(model)
    assert torch.equal(twin.decode(features), expected)
    with torch.no_grad():
        twin.head.out.bias.add_(1.0)
    assert torch.equal(model.decode(features), expected)


@pytest.mark.parametrize("head", ["istft", "prior", "imdct-symexp", "wavenext"])
@pytest.mark.parametrize("features_dtype", [torch.float32, torch.float16], ids=["float32", "half"])
def test_empty_batch(head, features_dtype, make_model):
    """An empty batch decodes to an empty batch of the right length and type."""
    model = make_model("mel", "convnext", head, "same")
    audio = model.decode(torch.zeros(0, 12, 9, dtype=features_dtype))
    assert audio.shape == (0, 9 * 16)
    assert audio.dtype == torch.float32


def test_empty_batch_of_audio(make_model):
    """Copy-synthesis of an empty batch returns an empty batch."""
    assert make_model()(torch.zeros(0, 320)).shape == (0, 320)


def test_layer_scale_of_zero_means_none(make_config, make_reference):
    """``layer_scale_init_value=0`` omits the gain; the reference takes 0 for its default."""
    config = make_config()
    config = dataclasses.replace(config, backbone=dataclasses.replace(config.backbone, layer_scale_init_value=0.0))
    assert Vocos(config).backbone.convnext[0].gamma is None
    assert make_reference(config).backbone.convnext[0].gamma[0].item() == 0.5
    default = Vocos(make_config()).backbone.convnext[0].gamma
    assert torch.equal(default, torch.full((16,), 0.5))


def test_layer_scale_of_zero_in_a_resnet():
    """A ResNet with zero gain starts as the identity; zero is not replaced by the default of a third."""
    from vocos_plugins.network.backbone import ResNetBackbone

    backbone = ResNetBackbone(12, ResNet(dim=16, num_blocks=2, layer_scale_init_value=0.0))
    assert not backbone.resnet[0].gamma[0].any()
