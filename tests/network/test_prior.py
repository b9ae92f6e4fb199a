"""The amplitude prior: the magnitudes that a mel itself implies."""

import dataclasses
import math

import librosa
import numpy as np
import pytest
import torch

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.mel import LevelNormalization, MelSpectrogram
from vocos_plugins.network.heads import MAX_MAGNITUDE, AmplitudePrior

# FreeV's floor, which trained checkpoints depend on: not imported, so that changing ours is noticed.
PRIOR_FLOOR = 1e-4
# A pseudo-inverse in float32 of a filterbank in float32 against float64: relative to the largest magnitude.
PSEUDO_INVERSE = 1e-5
# The same seen in log magnitudes that are well above the floor.
LOG_MAGNITUDE = 1e-2
# Float32 exponentials of equal logarithms, relative.
SINGLE = 1e-5

MEL = MelConvention(
    sample_rate=22050,
    n_fft=512,
    win_length=512,
    hop_length=128,
    n_mels=40,
    f_max=8000.0,
    mel_scale="slaney",
    mel_norm="slaney",
)


def numpy_prior(mel: np.ndarray) -> np.ndarray:
    """The formula of FreeV with librosa's filterbank, in float64."""
    bank = librosa.filters.mel(sr=22050, n_fft=512, n_mels=40, fmin=0, fmax=8000, dtype=np.float64)
    return np.log(np.maximum(np.linalg.pinv(bank) @ np.exp(mel), PRIOR_FLOOR))


def test_equals_numpy(chirp, noise):
    """The prior is ``log(max(pinv(filterbank) @ exp(mel), 1e-4))``, computed independently."""
    audio = torch.cat([chirp(5000), 0.2 * noise(1, 5000)])
    mel = MelSpectrogram(MEL)(audio)
    found, expected = AmplitudePrior(MEL)(mel).log().numpy(), numpy_prior(mel.double().numpy())
    np.testing.assert_allclose(np.exp(found), np.exp(expected), rtol=0, atol=PSEUDO_INVERSE * np.exp(expected).max())
    assert found.shape == (2, 257, mel.shape[2])


@pytest.mark.parametrize(
    "changes",
    [
        {"log": "log10", "guard_value": 1e-5},
        {"log": "log10", "log_gain": 20.0},
        {"guard": "add"},
        {
            "log": "log10",
            "log_gain": 20.0,
            "normalization": LevelNormalization(
                ref_level=20.0, min_level=-200.0, max_norm=4.0, symmetric=True, clip=True
            ),
        },
    ],
    ids=["log10", "decibel", "add", "level"],
)
def test_conventions_of_one_mel_agree(changes, noise):
    """The same audio in another logarithm, guard or normalization implies the same magnitudes."""
    audio = noise(1, 5000)  # well above every guard
    expected = AmplitudePrior(MEL)(MelSpectrogram(MEL)(audio)).log()
    other = dataclasses.replace(MEL, **changes)
    found = AmplitudePrior(other)(MelSpectrogram(other)(audio)).log()
    torch.testing.assert_close(found, expected, rtol=0, atol=LOG_MAGNITUDE)


def test_power_mels_are_rooted(noise):
    """A mel of powers implies the roots of what it would as magnitudes."""
    power = dataclasses.replace(MEL, power=2.0)
    mel = MelSpectrogram(power)(noise(1, 5000))
    linear = np.linalg.pinv(
        librosa.filters.mel(sr=22050, n_fft=512, n_mels=40, fmin=0, fmax=8000, dtype=np.float64)
    ) @ np.exp(mel.double().numpy())
    expected = np.log(np.maximum(np.sqrt(np.maximum(linear, 0)), PRIOR_FLOOR))
    np.testing.assert_allclose(AmplitudePrior(power)(mel).log().numpy(), expected, rtol=0, atol=LOG_MAGNITUDE)


def test_is_near_the_true_magnitude(noise):
    """Within the mel's range the prior follows the spectrum that made it, to a few decibels."""
    convention = dataclasses.replace(MEL, f_max=None, n_mels=80)
    module = MelSpectrogram(convention)
    audio = noise(1, 8000)
    true = module.spectrogram(audio).clamp_min(PRIOR_FLOOR).log().mean()
    assert abs(float(AmplitudePrior(convention)(module(audio)).log().mean() - true)) < 1.0


def test_adds_nothing_to_the_state_dict(make_config):
    """A checkpoint with a prior has the keys of one without, so either loads into the other."""
    plain = Vocos(make_config("mel", "convnext", "istft")).state_dict()
    prior = Vocos(make_config("mel", "convnext", "prior"))
    assert prior.state_dict().keys() == plain.keys()
    prior.load_state_dict(plain, strict=True)
    assert prior.head.prior is not None


def test_zeroed_layer_leaves_the_prior(make_model, noise):
    """With a linear layer of zeros the magnitude is the prior itself and the phase is zero."""
    model, features = make_model("mel", "convnext", "prior"), noise(2, 12, 9)
    with torch.no_grad():
        model.head.out.weight.zero_()
        model.head.out.bias.zero_()
    spectrum = model.head.spectrum(model.backbone(features), features)
    expected = model.head.prior(features)
    assert (expected > 2 * PRIOR_FLOOR).any()
    torch.testing.assert_close(spectrum.real, expected.clamp_max(MAX_MAGNITUDE), rtol=SINGLE, atol=0)
    assert not spectrum.imag.any()


def test_layer_is_a_residual(make_model, noise):
    """What the linear layer adds is a factor on the prior's magnitudes."""
    model, features = make_model("mel", "convnext", "prior"), noise(1, 12, 9)
    hidden = model.backbone(features)
    with torch.no_grad():
        model.head.out.weight.zero_()
        model.head.out.bias.zero_()
        before = model.head.spectrum(hidden, features).abs()
        model.head.out.bias[:33] = math.log(2.0)
        after = model.head.spectrum(hidden, features).abs()
    torch.testing.assert_close(after, 2 * before, rtol=SINGLE, atol=0)


@pytest.mark.parametrize("value", [math.log(1e-7), -100.0, -1e15, 20.0, 1e9, 1e15], ids=str)
@pytest.mark.parametrize("framing", ["center", "same"])
def test_extreme_mels_stay_finite(value, framing, make_model):
    """Silence gives the floor, absurd levels the magnitude's bound; audio is finite in both cases."""
    model = make_model("mel", "convnext", "prior", framing)
    features = torch.full((1, 12, 9), value)
    prior = model.head.prior(features)
    assert torch.isfinite(prior).all()
    if value < 0:
        torch.testing.assert_close(prior, torch.full_like(prior, PRIOR_FLOOR))
    assert torch.isfinite(model.decode(features)).all()


@pytest.mark.parametrize("value", [math.log(1e-7), 20.0], ids=["silence", "loud"])
def test_gradients_of_clamped_mels_are_finite(value, make_model):
    """Training through the prior on silence or beyond the bound spreads no NaN."""
    model = make_model("mel", "convnext", "prior")
    features = torch.full((1, 12, 9), value, requires_grad=True)
    model.head.prior(features).log().sum().backward()
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["half", "bfloat16"])
def test_prior_reads_the_features_in_full_precision(dtype, make_model, noise):
    """A model in half precision rounds what its backbone sees, not the magnitudes that the mel implies."""
    model = make_model("mel", "convnext", "prior", "center")
    features = noise(1, 12, 9) - 4
    expected = model.head.prior(features)
    seen = []
    model.to(dtype).head.prior.register_forward_hook(lambda *call: seen.append(call[-1]))
    model.decode(features)
    assert torch.equal(seen[0], expected)


def test_gradient_through_the_prior_is_finite(make_model):
    """Also for a mel whose exponential overflows."""
    features = torch.full((1, 12, 9), 120.0, requires_grad=True)
    make_model("mel", "convnext", "prior", "center").head.prior(features).log().sum().backward()
    assert torch.isfinite(features.grad).all()


def test_prior_is_exact_under_autocast(make_model, noise):
    """A training or a toolkit in mixed precision runs the layers in bfloat16, never the prior."""
    model = make_model("mel", "convnext", "prior")
    mel = noise(1, 12, 20) - 4
    expected = model.head.prior(mel)
    with torch.autocast("cpu", torch.bfloat16):
        found = model.head.prior(mel)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
