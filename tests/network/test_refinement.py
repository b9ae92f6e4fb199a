"""Accelerated Griffin-Lim after a model's own phases: nearer to a signal, at the same magnitudes, and trainable."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import librosa
import pytest
import torch
from torch import Tensor, nn

from vocos_plugins import Vocos
from vocos_plugins.config import ISTFT, VocosConfig
from vocos_plugins.inference.backend import BackendName
from vocos_plugins.network.refinement import MOMENTUM, RELAXATION, magnitude_projection, refine
from vocos_plugins.spectral import istft, stft

BUNDLED = "vocos-mel-22khz-small"
N_FFT, HOP = 64, 16
WINDOW = torch.hann_window(N_FFT)
CLOSE = 1e-5  # float32, relative to the peak
RUNTIME = 1e-4  # an export's own bound (tests/export)
DIRECTIONS = 1e-4  # the same, of angles
LIBROSA = 1e-4  # the same, where small magnitudes are divided by themselves three times

Make = Callable[..., VocosConfig]
Randomize = Callable[[nn.Module], nn.Module]


def invert(spectrum: Tensor) -> Tensor:
    return istft(spectrum, WINDOW, n_fft=N_FFT, hop_length=HOP)


def analyse(audio: Tensor) -> Tensor:
    return stft(audio, WINDOW, n_fft=N_FFT, hop_length=HOP, pad_mode="constant")


def inconsistency(spectrum: Tensor) -> float:
    return float((analyse(invert(spectrum)) - spectrum).abs().square().sum() / spectrum.abs().square().sum())


@pytest.fixture
def spectrum() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    audio = torch.randn(2, 40 * HOP, generator=generator).cumsum(dim=1)
    phase = 2 * torch.pi * torch.rand(2, N_FFT // 2 + 1, 41, generator=generator)
    return torch.polar(analyse(audio - audio.mean(dim=1, keepdim=True)).abs() + 1e-3, phase)


@pytest.mark.parametrize(("momentum", "relaxation"), [(0.0, 1.0), (0.99, 1.0), (MOMENTUM, RELAXATION)])
def test_each_pass_is_nearer_to_a_signal(spectrum: Tensor, momentum: float, relaxation: float) -> None:
    search = {"momentum": momentum, "relaxation": relaxation}
    found = [
        inconsistency(refine(spectrum, invert, magnitude_projection(spectrum.abs(), analyse), n_iter=n, **search))
        for n in (0, 1, 4, 16)
    ]
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0] / 2


def test_it_finds_what_librosa_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without momentum it is Griffin and Lim's algorithm; both start from phase 0. librosa fades nothing out."""
    monkeypatch.setattr("vocos_plugins.network.refinement.FADE", 0.0)
    generator = torch.Generator().manual_seed(1)
    magnitude = analyse(torch.randn(1, 40 * HOP, generator=generator)).abs()
    project = magnitude_projection(magnitude, analyse)
    found = refine(magnitude + 0j, invert, project, n_iter=3, momentum=0, relaxation=1)
    audio = librosa.griffinlim(magnitude[0].numpy(), n_iter=3, hop_length=HOP, momentum=0, init=None)
    assert torch.allclose(invert(found)[0], torch.from_numpy(audio), atol=LIBROSA * float(abs(audio).max()))


@pytest.mark.parametrize(("momentum", "relaxation"), [(0.99, 1.0), (MOMENTUM, RELAXATION), (0.2, 0.7)])
def test_it_is_the_papers_algorithm(
    monkeypatch: pytest.MonkeyPatch, spectrum: Tensor, momentum: float, relaxation: float
) -> None:
    """Written down as it stands there, in spectra, with two projections; its third parameter is 0."""
    monkeypatch.setattr("vocos_plugins.network.refinement.FADE", 0.0)
    magnitude = spectrum.abs()

    def projected(consistent: Tensor) -> Tensor:
        return analyse(invert(torch.polar(magnitude, consistent.angle())))

    reached = projected(spectrum)
    given = reached
    for _ in range(3):
        last, reached = reached, (1 - relaxation) * reached + relaxation * projected(given)
        given = reached + momentum * (reached - last)
    project = magnitude_projection(magnitude, analyse)
    found = refine(spectrum, invert, project, n_iter=4, momentum=momentum, relaxation=relaxation)
    expected = torch.polar(magnitude, given.angle())
    # Where there is next to nothing, directions are those of rounding.
    assert torch.allclose(invert(found), invert(expected), atol=DIRECTIONS * float(invert(expected).abs().max()))


def test_a_model_is_refined_and_trained_through_it(make_config: Make, randomize: Randomize) -> None:
    plain = make_config(head="prior")
    head = plain.head
    assert isinstance(head, ISTFT)
    refined = Vocos(dataclasses.replace(plain, head=dataclasses.replace(head, refinement_steps=3)))
    randomize(refined)
    other = Vocos(plain)
    other.load_state_dict(refined.state_dict())
    features = torch.randn(2, plain.n_features, 30, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(refined.decode(features), other.eval().decode(features), atol=0.1)
    refined.synthesize(features).square().mean().backward()
    gradients = [parameter.grad for parameter in refined.parameters() if parameter.requires_grad]
    assert all(gradient is not None and bool(torch.isfinite(gradient).all()) for gradient in gradients)


@pytest.mark.parametrize("name", ["torch", "onnxruntime"])
def test_the_number_of_passes_is_chosen(tmp_path: Path, name: BackendName) -> None:
    """When it is loaded or later, and it stays with what is saved; a runtime's export is made again."""
    bundled = Vocos.from_pretrained(BUNDLED, precision="float32")
    three = dataclasses.replace(bundled.config.head, refinement_steps=3)
    expected = Vocos(dataclasses.replace(bundled.config, head=three))
    expected.load_state_dict(bundled.state_dict())
    mel = expected.feature_extractor(0.1 * torch.randn(1, 5000, generator=torch.Generator().manual_seed(3)))
    vocos = Vocos.from_pretrained(BUNDLED, refinement_steps=3, precision="float32", backend=name)
    audio = vocos.decode(mel)
    assert torch.allclose(audio, expected.decode(mel), atol=RUNTIME)
    vocos.save_pretrained(tmp_path)
    assert Vocos.from_pretrained(tmp_path).config == expected.config
    vocos.set_refinement_steps(0)
    assert not torch.allclose(vocos.decode(mel), audio, atol=10 * RUNTIME)


def test_a_number_of_passes_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="refinement_steps must be between 0 and 1000, got -1"):
        Vocos.from_pretrained(BUNDLED, refinement_steps=-1)


def test_a_head_without_passes(make_config: Make) -> None:
    with pytest.raises(ValueError, match="needs an ISTFT head; WaveNeXtHead does not predict an STFT"):
        Vocos(make_config(head="wavenext", framing="same")).set_refinement_steps(2)


@pytest.mark.parametrize("framing", ["center", "same"])
def test_a_ragged_batch_is_refined_row_by_row(make_config: Make, randomize: Randomize, framing: str) -> None:
    """With masks, as on a GPU: each row is what it is alone."""
    plain = make_config(framing=framing)
    head = plain.head
    assert isinstance(head, ISTFT)
    vocos = Vocos(dataclasses.replace(plain, head=dataclasses.replace(head, refinement_steps=2)))
    randomize(vocos)
    features = torch.randn(3, plain.n_features, 25)
    lengths = torch.tensor([25, 7, 16])
    with torch.no_grad():
        together = vocos.compute(features, mask=torch.arange(25) < lengths[:, None])
        for row, n_frames in enumerate(lengths.tolist()):
            alone = vocos.compute(features[row, None, :, :n_frames])[0]
            assert torch.allclose(together[row, : len(alone)], alone, atol=CLOSE * float(alone.abs().max()))
            assert not together[row, len(alone) :].any()
