"""Eight bits: evening channels out changes nothing by itself, and is what makes them usable."""

from __future__ import annotations

import copy

import numpy as np
import onnx
import pytest
import torch

from vocos_plugins import Vocos
from vocos_plugins.export import Exportable, OnnxSession
from vocos_plugins.export.int8 import quantize_onnx, smooth
from vocos_plugins.export.onnx import onnx_model, sign, trace
from vocos_plugins.export.quality import measure
from vocos_plugins.inference.calibration import speech_features


@pytest.mark.parametrize(
    "parts", [("mel", "convnext", "prior", "center"), ("encodec", "adanorm", "istft", "same")], ids="-".join
)
def test_equalizing_changes_no_output(make_model, noise, relative_error, parts) -> None:
    """What the norm gives up the weights take, for each bandwidth."""
    vocos = make_model(*parts)
    exportable = Exportable(vocos)
    features, ids = noise(2, 12, 30), torch.tensor([1, 3]) if exportable.conditioned else None
    before, weight = exportable.audio(features, ids), exportable.backbone.convnext[0].pwconv1.weight.clone()
    smooth(exportable.backbone, vocos)
    assert not torch.allclose(exportable.backbone.convnext[0].pwconv1.weight, weight, rtol=0.1)
    assert relative_error(exportable.audio(features, ids), before) < 1e-5


def test_equalizing_evens_channels_out(bundled) -> None:
    """The largest and the median channel of a layer's input come nearer to each other."""

    def spread(backbone) -> float:
        peaks = []
        layer = backbone.convnext[3].pwconv1
        hook = layer.register_forward_pre_hook(lambda _, inputs: peaks.append(inputs[0].abs().amax(dim=(0, 1))))
        backbone(next(speech_features(bundled))[0])
        hook.remove()
        return float(peaks[0].max() / peaks[0].median())

    backbone = Exportable(bundled).backbone
    before = spread(backbone)
    smooth(backbone, bundled)
    assert spread(backbone) < before / 2


def test_it_is_better_than_plain_quantization(session) -> None:
    """By 3 dB at least on shipped speech; and groups, which OpenVINO has, are better still.

    Without passes of the refinement, which magnify any rounding as far as phases can differ at all.
    """
    vocos = Vocos.from_pretrained("vocos-mel-22khz-small", refinement_steps=0)
    plain = quantize_onnx(trace(Exportable(vocos), "mel"))
    evened, grouped = session(vocos, precision="int8"), session(vocos, "openvino", "int8")
    sign(plain, evened.metadata)
    sessions = (OnnxSession(plain.SerializeToString()), evened, grouped)
    qualities = [measure(each, vocos).snr_db for each in sessions]
    assert qualities[0] + 3 < qualities[1] < qualities[2]


def test_what_is_quantized(bundled) -> None:
    """Both layers of each block, by output channel; the head, the prior and the inverse transform stay in float32."""
    model = onnx_model(bundled, precision="int8")
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("MatMulInteger") == 16
    weights = [onnx.numpy_helper.to_array(each) for each in model.graph.initializer]
    small = [weight.shape for weight in weights if weight.dtype == np.int8 and weight.ndim == 2]
    assert sorted(small) == [(256, 768)] * 8 + [(768, 256)] * 8
    assert len(model.SerializeToString()) < 0.6 * len(onnx_model(bundled).SerializeToString())


def test_a_backbone_without_pointwise_layers_is_refused(make_model) -> None:
    """With what to do."""
    with pytest.raises(ValueError, match="use float32"):
        onnx_model(make_model("mel", "resnet", "istft", "center"), precision="int8")


def test_quality_is_measured_of_every_bandwidth(make_model) -> None:
    """On random codes, as there is no EnCodec here; float32 is equal to 100 dB, 8 bits are not."""
    vocos = make_model("encodec", "adanorm", "istft", "same")
    exact = measure(OnnxSession(onnx_model(vocos).SerializeToString()), vocos)
    rounded = measure(OnnxSession(onnx_model(vocos, precision="int8").SerializeToString()), vocos)
    assert exact.snr_db > 100 > rounded.snr_db >= rounded.worst_db > 5
    assert str(rounded).endswith("on random codes")
    assert len(list(speech_features(vocos))) == 4


def test_speech_is_of_the_model_s_own_mel(make_model) -> None:
    """Every clip, at the model's rate; and the model isn't changed by any of it."""
    vocos = make_model()
    before = copy.deepcopy(vocos.state_dict())
    found = list(speech_features(vocos))
    assert len(found) == 4
    assert all(mel.shape[1] == 12 and mel.shape[2] > 900 and bandwidth is None for mel, bandwidth in found)
    onnx_model(vocos, precision="int8")
    assert all(torch.equal(vocos.state_dict()[key], value) for key, value in before.items())
