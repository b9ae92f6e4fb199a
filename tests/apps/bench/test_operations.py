"""Operation counts by formula against torch's own counter, and against counts by hand for the paper's model."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from vocos_plugins import Vocos
from vocos_plugins.apps.bench.operations import BYTES, STAGES, count
from vocos_plugins.config import ISTFT, ConvNeXt, VocosConfig
from vocos_plugins.mel.known import VOCOS_24KHZ

MODELS = [
    ("mel", "convnext", "istft", "center"),
    ("mel", "convnext", "prior", "same"),
    ("mel", "convnext", "refined", "center"),
    ("encodec", "adanorm", "istft", "same"),
    ("mel", "resnet", "istft", "center"),
    ("mel", "convnext", "imdct-symexp", "center"),
    ("mel", "convnext", "imdct-cos", "same"),
    ("mel", "convnext", "wavenext", "same"),
]


@pytest.fixture(scope="module")
def paper() -> Vocos:
    """A model with the shape of the paper's mel model."""
    backbone = ConvNeXt(dim=512, intermediate_dim=1536, num_layers=8)
    return Vocos(VocosConfig(features=VOCOS_24KHZ, backbone=backbone, head=ISTFT(n_fft=1024, hop_length=256)))


@pytest.mark.parametrize("parts", MODELS, ids="-".join)
@pytest.mark.parametrize("n_frames", [1, 37])
def test_flops_are_torchs(make_model, noise, parts, n_frames) -> None:
    """The formula agrees with torch's counter for every backbone and head."""
    vocos = make_model(*parts)
    ids = None if vocos.config.n_bandwidths is None else torch.tensor([[1]])
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        vocos.compute(noise(1, vocos.config.n_features, n_frames), ids)
    stages = count(vocos, n_frames)
    assert tuple(stages) == STAGES
    assert sum(sum(cost.flops.values()) for cost in stages.values()) == counter.get_total_flops()


def test_flops_of_the_papers_shape(paper) -> None:
    """By hand: kernel 7; eight blocks with a depthwise convolution and two linear layers; 513 magnitudes and phases."""
    stages = count(paper, 1, "bfloat16")
    assert stages["embed"].flops == {"float32": 2 * 7 * 100 * 512}
    assert stages["blocks"].flops == {"bfloat16": 8 * 2 * 2 * 512 * 1536, "float32": 8 * 2 * 7 * 512}
    assert stages["head"].flops == {"float32": 2 * 512 * 1026}


def test_bytes_are_weights_and_frames(paper) -> None:
    """Without frames only the weights are moved; each frame adds the same number of bytes."""
    weights = sum(p.numel() for name, p in paper.named_parameters() if name.endswith("weight") and p.dim() > 1)
    nothing, one, two = (sum(cost.bytes for cost in count(paper, n).values()) for n in (0, 1, 2))
    assert nothing == 4 * weights
    assert one - nothing == two - one == 4 * (100 + 512 + 8 * 2 * 512 + 512 + 1026 + 1026 + 256)


@pytest.mark.parametrize("precision", BYTES)
def test_lower_precisions_move_less(paper, precision) -> None:
    """Only the weights of the blocks' linear layers get smaller; the number of operations stays the same."""
    exact, low = count(paper, 10), count(paper, 10, precision)
    saved = dict.fromkeys(STAGES, 0) | {"blocks": (4 - BYTES[precision]) * 8 * 2 * 512 * 1536}
    assert {name: exact[name].bytes - low[name].bytes for name in STAGES} == saved
    for name in STAGES:
        assert sum(exact[name].flops.values()) == sum(low[name].flops.values())
