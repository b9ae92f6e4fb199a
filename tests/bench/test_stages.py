"""Stages are measured on what decodes, and together they are all of it."""

from __future__ import annotations

import time

import pytest
import torch

from vocos_plugins.bench.operations import STAGES
from vocos_plugins.bench.stages import Clock, _split, _watched, operators, stage_seconds
from vocos_plugins.inference.backend import Backend
from vocos_plugins.inference.fast.onednn import has_bfloat16, has_int8

CPU = torch.device("cpu")
CAN = {"float32": True, "bfloat16": has_bfloat16(), "int8": has_int8()}
CLOSE = 1e-5  # of float32, which the modules give in another order of sums
REFINED = 1e-4  # phases of bins that nearly cancel are divided by next to nothing


@pytest.mark.parametrize("backbone", ["convnext", "resnet"])
@pytest.mark.parametrize("head", ["istft", "prior", "refined", "imdct-cos", "wavenext"])
def test_what_is_watched_is_the_decode(make_model, noise, relative_error, backbone, head) -> None:
    """Fast or by modules, and each clock has run, the parts' no longer than the wholes'."""
    vocos = make_model("mel", backbone, head, "same")
    features = noise(1, vocos.config.n_features, 300)
    with torch.no_grad():
        run, clocks = _watched(vocos, Backend(), CPU)
        heard = run(features[0], None)[None]
    assert relative_error(heard, vocos.decode(features)) < (REFINED if head == "refined" else CLOSE)
    assert 0 < clocks["embed"].seconds < clocks["backbone"].seconds
    assert ("spectra" in clocks) == (head in ("istft", "prior", "refined"))
    assert 0 < clocks.get("spectra", clocks["head"]).seconds <= clocks["head"].seconds


@pytest.mark.parametrize("precision", [name for name, can in CAN.items() if can])
def test_stages_of_each_precision(make_model, noise, precision) -> None:
    """All of them take time; the model itself isn't touched."""
    vocos = make_model("encodec", "adanorm", "istft", "same")
    before = vocos.backend
    seconds = stage_seconds(vocos, precision, noise(vocos.config.n_features, 40), 1)
    assert tuple(seconds) == STAGES
    assert min(seconds[stage] for stage in STAGES if stage != "refinement") > 0
    assert vocos.backend is before
    assert "forward" not in vars(vocos.backbone)


@pytest.mark.parametrize("backbone", ["convnext", "resnet"])
def test_passes_of_refinement_are_a_stage(make_model, noise, backbone) -> None:
    """Passes have a time of their own; without passes there is none."""
    seconds = {}
    for head in ("istft", "refined"):
        vocos = make_model("mel", backbone, head, "center")
        seconds[head] = stage_seconds(vocos, "float32", noise(vocos.config.n_features, 400), None)
    assert seconds["istft"]["refinement"] == 0
    assert min(seconds["refined"].values()) > 0


def test_spectra_are_no_part_of_the_inverse_transform() -> None:
    """They are made while the first signal is: what its lap takes beside them is the inverse STFT, the rest passes."""
    laps = {"embed": [1.0], "backbone": [5.0], "spectra": [1.0, 2.0], "signal": [4.0, 0.5, 0.5], "head": [10.0]}
    clocks = {name: Clock(lambda: None) for name in laps}
    for name, clock in clocks.items():
        clock.laps += laps[name]
    assert _split(clocks) == dict(zip(STAGES, (1.0, 4.0, 3.0, 1.0, 6.0), strict=True))


def test_a_head_without_a_spectrum_is_one_stage(make_model, noise) -> None:
    """Nothing is left for the inverse STFT."""
    vocos = make_model("mel", "convnext", "wavenext", "same")
    assert stage_seconds(vocos, "float32", noise(vocos.config.n_features, 40), None)["inverse STFT"] == 0


def test_operators_share_the_time(make_model, noise) -> None:
    """Longest first, no more than all of it, and the products are among them."""
    vocos = make_model("mel", "resnet", "istft", "center")
    shares = list(operators(vocos, "float32", noise(vocos.config.n_features, 40), None).items())
    assert [share for _, share in shares] == sorted((share for _, share in shares), reverse=True)
    assert 0.5 < sum(share for _, share in shares) <= 1
    assert any("conv" in name for name, _ in shares)


def test_a_clock_counts_only_what_is_inside() -> None:
    """Of a generator the time in it, not the time of who uses it."""

    def slow():
        for _ in range(3):
            time.sleep(0.01)
            yield 1

    clock = Clock(slow)
    for _ in clock():
        time.sleep(0.05)
    assert 0.03 <= clock.seconds < 0.1
