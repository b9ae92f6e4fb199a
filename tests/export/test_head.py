"""Heads in real arithmetic equal the core's, without an exporter."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from vocos_plugins import Vocos
from vocos_plugins.config import ISTFT, IMDCTCos, VocosConfig
from vocos_plugins.export.head import SpectrumHead, exported_form
from vocos_plugins.network.real_heads import RealISTFTHead, build_real_head

# Relative to the peak: sums in another order, and exp(x) - 1 for expm1.
SAME = 3e-6
MOST_OPERATIONS = 1.05


@pytest.fixture
def heads(make_model, noise):
    """The audio of a small model's own head and of the real one, for a number of frames."""

    def both(vocos: Vocos, n_frames: int):
        hidden, features = noise(2, n_frames, vocos.config.backbone.dim), noise(2, vocos.config.n_features, n_frames)
        with torch.no_grad():
            return build_real_head(vocos.head)(hidden, features), vocos.head(hidden, features)

    return both


@pytest.mark.parametrize("n_frames", [1, 2, 3, 30])
@pytest.mark.parametrize(
    ("head", "framing"),
    [
        *itertools.product(["istft", "prior", "refined", "upsampled", "imdct-symexp", "imdct-cos"], ["center", "same"]),
        ("wavenext", "same"),
    ],
)
def test_audio_is_the_same(heads, make_model, relative_error, head, framing, n_frames) -> None:
    """For every head, framing and length; one centred frame makes no samples."""
    found, expected = heads(make_model("mel", "convnext", head, framing), n_frames)
    assert relative_error(found, expected) <= SAME


@pytest.mark.parametrize(("n_fft", "hop_length"), [(400, 150), (64, 64), (300, 75), (30, 7)])
@pytest.mark.parametrize("framing", ["center", "same"])
def test_other_sizes(heads, make_config, randomize, relative_error, n_fft, hop_length, framing) -> None:
    """Hops that don't divide the frame, frames that don't overlap, and half frames that are no whole hops."""
    config = make_config("mel", "convnext", "istft", framing)
    mel = dataclasses.replace(config.features, n_fft=n_fft, win_length=n_fft, hop_length=hop_length)
    head = ISTFT(n_fft=n_fft, hop_length=hop_length, framing=framing)
    vocos = randomize(Vocos(VocosConfig(features=mel, backbone=config.backbone, head=head)))
    found, expected = heads(vocos, 7)
    # Between frames that hardly overlap the windows' sum is near zero, and so is what both are divided by.
    assert relative_error(found, expected) <= (SAME if hop_length < n_fft / 2 else 1e-4)


def test_power_mels_have_a_prior_too(make_config, randomize, heads, relative_error) -> None:
    """Their magnitudes are the roots of what the filterbank gives back."""
    config = make_config("mel", "convnext", "prior", "center")
    vocos = randomize(Vocos(dataclasses.replace(config, features=dataclasses.replace(config.features, power=2.0))))
    assert relative_error(*heads(vocos, 9)) <= SAME


def test_clipping(make_config, randomize, heads) -> None:
    """Where the configuration asks for it, and the audio is far too loud."""
    config = make_config("mel", "convnext", "imdct-cos", "center")
    vocos = randomize(Vocos(dataclasses.replace(config, head=IMDCTCos(frame_length=32, clip_audio=True))))
    found, expected = heads(vocos, 20)
    assert found.abs().max() == expected.abs().max() == 1


def test_loud_outputs_stay_finite(make_model, relative_error) -> None:
    """Magnitudes are bounded as in the core's head, beyond what an exponential holds too."""
    head = make_model("mel", "convnext", "prior", "center").head
    hidden = torch.full((1, 5, 16), 1e4)
    with torch.no_grad():
        found, expected = build_real_head(head)(hidden, torch.zeros(1, 12, 5)), head(hidden, torch.zeros(1, 12, 5))
    assert relative_error(found, expected) <= 1e-3  # phases of 1e4 keep three digits


@pytest.mark.parametrize("name", ["prior", "refined"])
def test_spectrum(make_model, noise, relative_error, name) -> None:
    """Magnitude times cosine and sine is the core's spectrum, refined where it is."""
    head = make_model("mel", "convnext", name, "same").head
    hidden, mel = noise(2, 9, 16), noise(2, 12, 9)
    with torch.no_grad():
        magnitude, cosine, sine = SpectrumHead(head)(hidden, mel)
        expected = head.refined(head.spectrum(hidden, mel)) if name == "refined" else head.spectrum(hidden, mel)
    assert (
        relative_error(
            torch.view_as_real(torch.complex(magnitude * cosine, magnitude * sine)), torch.view_as_real(expected)
        )
        <= SAME
    )


def test_the_head_comes_back(make_model, noise) -> None:
    """Also when what runs with the other one fails; a mask is refused rather than ignored."""
    vocos = make_model()
    head = vocos.head
    with exported_form(vocos):
        assert isinstance(vocos.head, RealISTFTHead)
    assert vocos.head is head
    with pytest.raises(ValueError, match="takes no mask"), exported_form(vocos):
        vocos.synthesize(noise(1, 12, 5), mask=torch.ones(1, 5, dtype=torch.bool))
    assert vocos.head is head


def test_tables_are_no_weights(make_model) -> None:
    """They are no part of the state, and the model's own weights stay what they are."""
    vocos = make_model("mel", "convnext", "prior", "center")
    before = {key: value.clone() for key, value in vocos.head.state_dict().items() if "istft" not in key}
    found = build_real_head(vocos.head).state_dict()
    assert set(found) == set(before) == {"out.weight", "out.bias"}
    assert all(torch.equal(vocos.head.state_dict()[key], value) for key, value in before.items())


def test_operations(paper) -> None:
    """The matrices in place of the FFT add a twentieth to what the paper's model costs."""

    def count() -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            mel = torch.zeros(1, 100, 100)
            paper.head(paper.backbone(mel), mel)
        return counter.get_total_flops()

    without = count()  # of the FFT itself, nothing is counted
    with exported_form(paper):
        assert 1 < count() / without <= MOST_OPERATIONS
