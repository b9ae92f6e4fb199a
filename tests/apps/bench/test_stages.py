"""Stages are measured on the real decode, and together they are all of its time."""

from __future__ import annotations

import time

import pytest
import torch

from vocos_plugins.apps.bench.operations import STAGES
from vocos_plugins.apps.bench.stages import Clock, _split, _with_clocks, operators, stage_seconds
from vocos_plugins.inference.backend import Backend
from vocos_plugins.inference.fast.onednn import has_bfloat16, has_int8

CPU = torch.device("cpu")
CAN = {"float32": True, "bfloat16": has_bfloat16(), "int8": has_int8()}
CLOSE = 1e-5  # of float32; the modules sum in another order
REFINED = 1e-4  # refinement divides by magnitudes near zero in bins that nearly cancel


@pytest.mark.parametrize("backbone", ["convnext", "resnet"])
@pytest.mark.parametrize("head", ["istft", "prior", "refined", "imdct-cos", "wavenext"])
def test_the_decode_with_clocks_is_the_real_one(make_model, noise, relative_error, backbone, head) -> None:
    """Both the fast path and the modules return the same audio; each clock ran, a part's no longer than the whole's."""
    vocos = make_model("mel", backbone, head, "same")
    features = noise(1, vocos.config.n_features, 300)
    with torch.no_grad():
        run, clocks = _with_clocks(vocos, Backend(), CPU)
        audio = run(features[0], None)[None]
    assert relative_error(audio, vocos.decode(features)) < (REFINED if head == "refined" else CLOSE)
    assert 0 < clocks["embed"].seconds < clocks["backbone"].seconds
    assert ("spectra" in clocks) == (head in ("istft", "prior", "refined"))
    assert 0 < clocks.get("spectra", clocks["head"]).seconds <= clocks["head"].seconds


@pytest.mark.parametrize("precision", [name for name, can in CAN.items() if can])
def test_stages_of_each_precision(make_model, noise, precision) -> None:
    """Every stage takes time, and the model itself isn't changed."""
    vocos = make_model("encodec", "adanorm", "istft", "same")
    before = vocos.backend
    seconds = stage_seconds(vocos, precision, noise(vocos.config.n_features, 40), 1)
    assert tuple(seconds) == STAGES
    assert min(seconds[stage] for stage in STAGES if stage != "refinement") > 0
    assert vocos.backend is before
    assert "forward" not in vars(vocos.backbone)


@pytest.mark.parametrize("backbone", ["convnext", "resnet"])
def test_passes_of_refinement_are_a_stage(make_model, noise, backbone) -> None:
    """Refinement has its own time, which is zero without passes."""
    seconds = {}
    for head in ("istft", "refined"):
        vocos = make_model("mel", backbone, head, "center")
        seconds[head] = stage_seconds(vocos, "float32", noise(vocos.config.n_features, 400), None)
    assert seconds["istft"]["refinement"] == 0
    assert min(seconds["refined"].values()) > 0


def test_spectra_are_no_part_of_the_inverse_transform() -> None:
    """The first signal's lap includes the spectra; the rest of it is the inverse STFT, and later laps are passes."""
    laps = {"embed": [1.0], "backbone": [5.0], "spectra": [1.0, 2.0], "signal": [4.0, 0.5, 0.5], "head": [10.0]}
    clocks = {name: Clock(lambda: None) for name in laps}
    for name, clock in clocks.items():
        clock.laps += laps[name]
    assert _split(clocks) == dict(zip(STAGES, (1.0, 4.0, 3.0, 1.0, 6.0), strict=True))


def test_a_head_without_a_spectrum_is_one_stage(make_model, noise) -> None:
    """The inverse STFT takes no time."""
    vocos = make_model("mel", "convnext", "wavenext", "same")
    assert stage_seconds(vocos, "float32", noise(vocos.config.n_features, 40), None)["inverse STFT"] == 0


def test_operators_share_the_time(make_model, noise) -> None:
    """Shares are sorted, add up to at most 1, and include the products."""
    vocos = make_model("mel", "resnet", "istft", "center")
    shares = list(operators(vocos, "float32", noise(vocos.config.n_features, 40), None).items())
    assert [share for _, share in shares] == sorted((share for _, share in shares), reverse=True)
    assert 0.5 < sum(share for _, share in shares) <= 1
    assert any("conv" in name for name, _ in shares)


def test_a_clock_counts_only_what_is_inside() -> None:
    """A generator's own time counts, its consumer's doesn't."""

    def slow():
        for _ in range(3):
            time.sleep(0.01)
            yield 1

    clock = Clock(slow)
    for _ in clock():
        time.sleep(0.05)
    assert 0.03 <= clock.seconds < 0.1
