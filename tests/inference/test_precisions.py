"""The fast path gives what the modules give: exactly in float32, and in bfloat16 and 8 bits as far as is promised."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from vocos_plugins import Vocos
from vocos_plugins.config import VocosConfig
from vocos_plugins.evaluation.measures import MEASURES
from vocos_plugins.export.backend import choose_backend
from vocos_plugins.inference import backend
from vocos_plugins.inference.backend import Backend, Precision
from vocos_plugins.inference.fast.backbone import FEW_FRAMES
from vocos_plugins.inference.fast.choice import Choice
from vocos_plugins.inference.fast.onednn import has_bfloat16, has_int8, has_onednn
from vocos_plugins.mel.speech import CLIPS
from vocos_plugins.storage.audio import read_blocks

pytestmark = pytest.mark.skipif(not has_onednn(), reason="this processor or torch has no oneDNN for x86")

Make = Callable[..., VocosConfig]
Randomize = Callable[[nn.Module], nn.Module]

HEADS = ["istft", "prior", "refined", "upsampled", "imdct-symexp", "imdct-cos"]
# Folding the layer scale and another order of sums move the last of float32's 24 bits, over a few layers.
FLOAT32 = 1e-5
REFINED = 1e-4  # phases of bins that nearly cancel are divided by next to nothing
SCATTER = 0.05  # of the mean PESQ of four clips, each from four starts
SAME_PRECISION = 40  # dB: bfloat16 and 8 bits are 10 to 25 dB apart, and products at other places in memory far nearer
CAN = {"float32": True, "bfloat16": has_bfloat16(), "int8": has_int8()}


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-9))


def signal_to_error(found: Tensor, expected: Tensor) -> float:
    return float(10 * torch.log10(expected.square().sum() / (found - expected).square().sum()))


@pytest.mark.parametrize(("head", "framing"), [*product(HEADS, ("center", "same")), ("wavenext", "same")])
@pytest.mark.parametrize("n_frames", [1, 2, 40, FEW_FRAMES + 5])
def test_float32_is_what_the_modules_give(
    make_config: Make, randomize: Randomize, head: str, framing: str, n_frames: int
) -> None:
    vocos = Vocos(make_config(head=head, framing=framing))
    randomize(vocos)
    features = torch.randn(2, vocos.config.n_features, n_frames)
    with torch.no_grad():
        expected = vocos.compute(features)
    found = vocos.decode(features)
    assert found.shape == expected.shape
    assert expected.numel() == 0 or relative(found, expected) < (REFINED if head == "refined" else FLOAT32)


@pytest.mark.parametrize("bandwidth", range(4))
def test_each_bandwidth_has_its_own_norms(make_config: Make, randomize: Randomize, bandwidth: int) -> None:
    vocos = Vocos(make_config(features="encodec", backbone="adanorm", framing="same"))
    randomize(vocos)
    features = torch.randn(3, vocos.config.n_features, 30)
    ids = torch.tensor([bandwidth, 0, 3])
    with torch.no_grad():
        expected = vocos.compute(features, ids[:, None])
    assert relative(vocos.decode(features, bandwidth_id=ids), expected) < FLOAT32


@pytest.mark.parametrize("precision", [name for name, can in CAN.items() if can and name != "float32"])
def test_low_precisions_stay_near(make_config: Make, randomize: Randomize, precision: Precision) -> None:
    """Random weights: 8 bits keep 20 dB, bfloat16 30 dB; a wrong scale or zero point leaves less than 10."""
    vocos = Vocos(make_config())
    randomize(vocos)
    features = vocos.feature_extractor(torch.randn(1, 16000) / 10)
    expected = vocos.decode(features)
    vocos.backend = Backend(precision=precision)
    found = vocos.decode(features)
    assert 15 < signal_to_error(found, expected) < 90


@pytest.fixture(scope="module")
def recordings() -> list[Tensor]:
    model = Vocos.from_pretrained("vocos-mel-22khz-small")
    whole = [torch.cat([block.mean(dim=0) for block in read_blocks(clip.path, model.sample_rate)]) for clip in CLIPS]
    return [recording[start:] for recording in whole for start in range(0, model.hop_length, model.hop_length // 4)]


def mean_pesq(recordings: list[Tensor], precision: Precision) -> float:
    vocos = Vocos.from_pretrained("vocos-mel-22khz-small", precision=precision)
    pesq = next(measure for measure in MEASURES if measure.name == "pesq")
    scores = []
    for recording in recordings:
        heard = vocos(recording[None], length=len(recording))[0]
        score = pesq(recording.numpy(), heard.numpy(), vocos.sample_rate)
        assert score.value is not None, score.reason
        scores.append(score.value)
    return sum(scores) / len(scores)


@pytest.mark.parametrize("precision", ["auto", "bfloat16", "int8"])
def test_speech_loses_next_to_nothing(
    recordings: list[Tensor], precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PESQ scatters by 0.1 a clip when nothing audible changes; benchmarks/precisions.py takes more clips."""
    if not CAN.get(precision, True):
        pytest.skip(f"this processor can't multiply in {precision}")
    monkeypatch.delenv("VOCOS_PLUGINS_PRECISION")
    assert mean_pesq(recordings, precision) > mean_pesq(recordings, "float32") - SCATTER


def prefer_the_last(_: nn.Module, precisions: list[str]) -> Choice:
    """Chooses as if the least exact precision were the fastest, as it is on many machines."""
    return Choice(order=tuple(precisions[::-1]))


@pytest.mark.parametrize("name", ["vocos-mel-22khz-small", "vocos-mel-16khz-small"])
def test_eight_bits_by_default_where_they_were_measured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For weights with a certificate, not for weights that differ from its own by one number."""
    if not has_int8():
        pytest.skip("this processor can't multiply in int8")
    monkeypatch.delenv("VOCOS_PLUGINS_PRECISION")
    monkeypatch.setattr(backend, "choose_precision", prefer_the_last)
    vocos = Vocos.from_pretrained(name)
    features = torch.randn(1, vocos.config.n_features, 30)

    def same_as(precision: Precision) -> bool:
        other = copy.deepcopy(vocos)
        other.backend = Backend(precision=precision)
        return signal_to_error(vocos.decode(features), other.decode(features)) > SAME_PRECISION

    assert same_as("int8")
    with torch.no_grad():
        vocos.head.out.bias[3] += 1e-3
    with pytest.warns(UserWarning, match="certificate is not used"):
        assert same_as("bfloat16" if has_bfloat16() else "float32")


def test_the_environment_chooses_where_nobody_did(
    make_config: Make, randomize: Randomize, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "choose_precision", prefer_the_last)
    features = torch.randn(1, 12, 30)
    heard = {}
    for asked in ("float32", "auto"):
        monkeypatch.setenv("VOCOS_PLUGINS_PRECISION", asked)
        vocos = Vocos(make_config())
        randomize(vocos)
        vocos.backend = Backend(precision="auto")
        heard[asked] = vocos.decode(features)
    assert torch.equal(heard["float32"], heard["auto"]) is not has_bfloat16()
    monkeypatch.setenv("VOCOS_PLUGINS_PRECISION", "double")
    vocos.backend = Backend(precision="auto")
    with pytest.raises(ValueError, match="unknown precision 'double'"):
        vocos.decode(features)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown precision 'fp16'; known are auto, float32, bfloat16, int8"):
        Vocos.from_pretrained("vocos-mel-22khz-small", precision="fp16")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown backend 'tensorrt'; known are torch, onnxruntime, openvino"):
        choose_backend("tensorrt")  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "message"), [("bfloat16", "no bfloat16 instructions"), ("int8", "no 8-bit")])
def test_a_processor_without_it_says_so(monkeypatch: pytest.MonkeyPatch, name: Precision, message: str) -> None:
    monkeypatch.setattr(f"vocos_plugins.inference.backend.has_{name}", lambda: False)
    with pytest.raises(ValueError, match=message):
        Backend(precision=name)
    assert Backend(precision="auto").precision == "auto"
