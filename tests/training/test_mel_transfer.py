"""Layers translated to another mel, compared with the original ones on the same speech."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, IMDCTCos, VocosConfig
from vocos_plugins.evaluation.comparison import run_clip
from vocos_plugins.evaluation.measures import choose
from vocos_plugins.evaluation.systems import build_systems
from vocos_plugins.mel import MelSpectrogram
from vocos_plugins.mel.speech import CLIPS
from vocos_plugins.plugins import mel_conventions
from vocos_plugins.storage.audio import read_blocks
from vocos_plugins.training import mel_transfer
from vocos_plugins.training.mel_transfer import needs_translation, translate_input, translate_output
from vocos_plugins.training.warm_start import copy_generator

OWN = mel_conventions()["vocos-22khz"]
EDGE = 3  # frames at each end where a kernel of 7 sees padding


def to(**fields: object) -> MelConvention:
    return dataclasses.replace(OWN, **fields)  # type: ignore[arg-type]


@pytest.fixture
def unheard(monkeypatch) -> torch.Tensor:
    """A clip, ``(1, N)`` at 22.05 kHz, that is not used to fit the map."""
    monkeypatch.setattr(mel_transfer, "CLIPS", CLIPS[1:])
    return torch.cat(list(read_blocks(CLIPS[0].path, OWN.sample_rate)), dim=1)


@pytest.mark.parametrize(
    ("wanted", "most"),
    [
        # Another logarithm is exact except for the effect of the ridge.
        (to(log="log10", log_gain=20.0), 0.02),
        (to(f_max=None), 0.2),
        (to(n_mels=100, f_max=None), 0.2),
        (to(mel_scale="htk", win_length=800), 0.2),
    ],
)
def test_reads_another_mel_as_its_own(wanted, most, unheard) -> None:
    """A layer that passes its bands through has a small error, in nepers per band, on a voice not used for the map."""
    identity = torch.zeros(OWN.n_mels, OWN.n_mels, 7)
    identity[:, :, EDGE] = torch.eye(OWN.n_mels)
    weight, bias, reported_error = translate_input(identity, torch.zeros(OWN.n_mels), OWN, wanted)
    found = F.conv1d(MelSpectrogram(wanted)(unheard), weight, bias, padding=EDGE)
    error = (found - MelSpectrogram(OWN)(unheard)).abs().mean()
    assert error < most
    assert reported_error < most


def test_a_layer_of_random_weights(unheard) -> None:
    """The map applies to all taps of the kernel."""
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(16, OWN.n_mels, 7, generator=generator), torch.randn(16, generator=generator)
    wanted = to(log="log10")
    expected = F.conv1d(MelSpectrogram(OWN)(unheard), weight, bias)
    weight, bias, _ = translate_input(weight, bias, OWN, wanted)
    error = (F.conv1d(MelSpectrogram(wanted)(unheard), weight, bias) - expected).square().mean().sqrt()
    assert error < 0.02 * expected.square().mean().sqrt()  # the ridge, as above


@pytest.mark.parametrize("fields", [{"f_max": None}, {"sample_rate": 16000}])
def test_a_translated_model_is_intelligible_from_the_start(fields) -> None:
    """The translated bundled model reproduces another mel's bands; with copied layers it doesn't."""
    bundled = Vocos.from_pretrained("vocos-mel-22khz-small")
    wanted = dataclasses.replace(bundled.mel, **fields)
    models = {name: Vocos(dataclasses.replace(bundled.config, features=wanted)).eval() for name in ("copied", "read")}
    assert copy_generator(bundled.state_dict(), models["copied"], "bundled") == []
    (note,) = copy_generator(bundled.state_dict(), models["read"], "bundled", bundled.mel)
    assert "its input layer was remapped to this mel, with a mean error of 0." in note
    comparison = run_clip(build_systems(models), CLIPS[0], choose(["mel"])[0])
    scores = {name: each.scores["mel"].value for name, each in comparison.renditions.items()}
    assert scores["read"] < scores["copied"] / 2


def test_rows_of_another_head_are_not_moved() -> None:
    """They are not magnitudes and phases, so the layer keeps random weights, and the note names it."""
    backbone = ConvNeXt(dim=16, intermediate_dim=32, num_layers=1)
    donor = Vocos(VocosConfig(features=OWN, backbone=backbone, head=IMDCTCos(frame_length=512)))
    head = ISTFT(n_fft=1024, hop_length=256)
    model = Vocos(VocosConfig(features=to(f_max=None), backbone=backbone, head=head))
    notes = copy_generator(donor.state_dict(), model, "donor", OWN)
    assert "head.out.weight" in notes[-1]
    assert "did not fit" in notes[-1]


def test_rows_go_by_frequency() -> None:
    """Magnitudes move to bins of the same frequency, phases to bins of the same share of the sample rate."""
    n_own, wanted = OWN.n_fft // 2 + 1, to(sample_rate=16000, n_fft=512, win_length=512)
    hz = torch.linspace(0, OWN.sample_rate / 2, n_own)
    rows = torch.cat([hz, torch.arange(n_own) / (n_own - 1)])
    weight, bias = translate_output(rows[:, None], rows, OWN, wanted, 512, prior=True)
    n_bins = 512 // 2 + 1
    expected = torch.linspace(0, wanted.sample_rate / 2, n_bins)
    assert (weight[:n_bins, 0] - expected).abs().max() < 1e-2
    assert (bias[n_bins:] - torch.arange(n_bins) / (n_bins - 1)).abs().max() < 1 / n_own
    kept = translate_output(rows[:, None], rows, OWN, to(f_max=None), OWN.n_fft, prior=False)[1]
    assert torch.equal(kept, rows)
    mended = translate_output(rows[:, None], rows, OWN, to(f_max=None), OWN.n_fft, prior=True)[1]
    assert torch.equal(mended[:n_own], torch.where((hz < 8000) | (hz == hz[-1]), hz, 0.0))


def test_other_rates_are_read_at_the_same_times() -> None:
    """Frames of 22.05 and 16 kHz mels pair up in time; a hop that is too long for the window is refused."""
    wanted = to(sample_rate=16000, n_fft=1024, win_length=743)
    _, _, error = translate_input(torch.randn(4, OWN.n_mels, 7), torch.zeros(4), OWN, wanted)
    assert error < 0.2
    with pytest.raises(ValueError, match="hop_length"):
        translate_input(
            torch.randn(4, OWN.n_mels, 7), torch.zeros(4), OWN, to(n_fft=4096, win_length=4096, hop_length=2048)
        )


@pytest.mark.parametrize(
    ("fields", "otherwise"),
    [
        ({"framing": "same", "guard": "add", "guard_value": 1e-8, "pad_mode": "constant"}, False),
        ({"f_max": 11025}, True),
        ({"log": "log10"}, True),
    ],
)
def test_what_a_layer_misreads(fields, otherwise) -> None:
    """It misreads other bands and values, but not half a hop or another guard."""
    assert needs_translation(OWN, to(**fields)) is otherwise
