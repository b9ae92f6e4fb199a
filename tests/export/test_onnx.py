"""ONNX files: what is in them, and that onnxruntime computes with them what torch computes."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from vocos_plugins.config import FEATURES, VocosConfig
from vocos_plugins.config.mapping import read_part
from vocos_plugins.export import OnnxSession, export_onnx
from vocos_plugins.export.onnx import onnx_model

SAME = 1e-4  # of the peak
MOST_OPERATIONS = 1.5
LENGTHS = (1, 2, 3, 64, 200)


@pytest.mark.parametrize(
    "parts",
    [
        ("mel", "convnext", "istft", "center"),
        ("mel", "convnext", "istft", "same"),
        ("mel", "convnext", "prior", "center"),
        ("mel", "convnext", "refined", "same"),
        ("mel", "convnext", "upsampled", "center"),
        ("mel", "convnext", "imdct-symexp", "same"),
        ("mel", "convnext", "imdct-cos", "center"),
        ("mel", "adanorm", "wavenext", "same"),
        ("encodec", "adanorm", "istft", "center"),
        ("encodec", "adanorm", "istft", "same"),
        ("encodec", "resnet", "istft", "same"),
    ],
    ids="-".join,
)
def test_equals_torch(make_model, in_torch, noise, relative_error, parts) -> None:
    """Every part in both framings, one row or three, from one frame on."""
    vocos = make_model(*parts)
    session = OnnxSession(onnx_model(vocos).SerializeToString())
    for batch in (1, 3):
        for n_frames in (1, 2, 3, 40):
            features = noise(batch, 12, n_frames)
            ids = torch.tensor([0, 3, 1])[:batch] if session.conditioned else None
            found = session(features.numpy(), None if ids is None else ids.numpy())
            assert found.dtype == np.float32
            assert relative_error(torch.from_numpy(found), in_torch(vocos, features, ids)) <= SAME


@pytest.mark.parametrize("n_frames", LENGTHS)
@pytest.mark.parametrize("batch", [1, 3])
def test_the_paper_s_size_equals_torch(paper, session, in_torch, noise, relative_error, batch, n_frames) -> None:
    """13.5 million random weights, 100 bands."""
    mel = noise(batch, 100, n_frames) - 5
    assert relative_error(torch.from_numpy(session(paper)(mel.numpy())), in_torch(paper, mel)) <= SAME


@pytest.mark.parametrize("n_frames", LENGTHS)
def test_the_encodec_size_equals_torch(encodec, session, in_torch, noise, relative_error, n_frames) -> None:
    """Each row with its own bandwidth; one for all is all the same."""
    features, ids = 3 * noise(3, 128, n_frames), torch.tensor([0, 3, 1])
    found = session(encodec)(features.numpy(), ids.numpy())
    assert relative_error(torch.from_numpy(found), in_torch(encodec, features, ids)) <= SAME
    alone = session(encodec)(features[1:2].numpy(), 3)
    assert np.abs(alone - found[1:2]).max() <= SAME * np.abs(found).max()


@pytest.mark.parametrize("n_frames", [*LENGTHS[:-1], 130])
def test_the_bundled_model_equals_torch(bundled, speech, session, in_torch, relative_error, rounding, n_frames) -> None:
    """On speech, three different rows of it; as near as torch is to the exact result, where that is further away."""
    mel = torch.cat([speech, speech.flip(2), speech.roll(40, 2)])[:, :, :n_frames]
    found = torch.from_numpy(session(bundled)(mel.numpy()))
    assert relative_error(found, in_torch(bundled, mel)) <= max(SAME, 4 * rounding(bundled, mel))


def test_inputs_and_outputs(bundled, encodec) -> None:
    """Their names and axes are what docs/export.md says, and the file is valid."""
    for vocos, inputs in (
        (bundled, {"mel": ["batch", 80, "frames"]}),
        (encodec, {"features": ["batch", 128, "frames"], "bandwidth_id": ["batch"]}),
    ):
        model = onnx_model(vocos)
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(model.SerializeToString())
        assert {each.name: each.shape for each in session.get_inputs()} == inputs
        assert {each.name: each.shape for each in session.get_outputs()} == {"audio": ["batch", "samples"]}


def test_metadata_tells_the_mel(bundled) -> None:
    """Each field by itself for programs that read no JSON, and everything at once for ours."""
    model = onnx_model(bundled)
    found = {each.key: each.value for each in model.metadata_props}
    # sherpa-onnx's name for one output with audio; three outputs are what it calls vocos (see below).
    assert found["model_type"] == "hifigan"
    assert found["vocos_plugins"] == model.producer_version
    assert (found["sample_rate"], found["hop_length"], found["mel_n_mels"]) == ("22050", "256", "80")
    assert (found["mel_f_max"], found["mel_mel_scale"], found["mel_guard_value"]) == ("8000.0", "slaney", "1e-05")
    assert VocosConfig.from_dict(json.loads(found["config"])) == bundled.config
    assert read_part(json.loads(found["config"])["features"], FEATURES, "") == bundled.mel
    assert json.loads(found["provenance"])["licence"] == bundled.provenance["licence"]


@pytest.mark.parametrize(("head", "framing"), [("prior", "center"), ("prior", "same"), ("refined", "same")])
def test_the_spectrum_in_sherpa_s_layout(make_model, in_torch, noise, relative_error, head, framing) -> None:
    """Magnitude, cosine and sine in this order, and the keys that its runtime reads: they make the audio."""
    vocos = make_model("mel", "convnext", head, framing)
    model = onnx_model(vocos, outputs="spectrum")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert [each.name for each in session.get_outputs()] == ["mag", "x", "y"]
    mel = noise(1, 12, 30)
    magnitude, x, y = map(torch.from_numpy, session.run(None, {"mel": mel.numpy()}))
    told = session.get_modelmeta().custom_metadata_map
    assert {key: told[key] for key in ("model_type", "window_type", "pad_mode", "normalized")} == {
        "model_type": "vocos",
        "window_type": "hann",
        "pad_mode": "reflect",
        "normalized": "0",
    }
    n_fft, hop_length, win_length, center = (int(told[k]) for k in ("n_fft", "hop_length", "win_length", "center"))
    window = torch.hann_window(win_length)
    audio = torch.istft(
        torch.complex(magnitude * x, magnitude * y), n_fft, hop_length, win_length, window, bool(center)
    )
    expected = in_torch(vocos, mel)
    if framing == "same":  # the same samples but for half a hop less at the beginning and the end
        expected = expected[:, hop_length // 2 : -(hop_length // 2)]
    assert relative_error(audio, expected) <= SAME


def test_operations(bundled, paper) -> None:
    """The graph needs at most half as many again as the model, whose FFT is counted as nothing.

    Of the bundled model these are the transforms of a refinement's passes; without one it is next to nothing.
    """
    for vocos, most in ((bundled, MOST_OPERATIONS), (paper, 1.02)):
        mel = torch.zeros(1, vocos.config.n_features, 100)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            vocos.head(vocos.backbone(mel), mel)
        ratio = operations(onnx_model(vocos), mel.numpy()) / counter.get_total_flops()
        assert 1 < ratio <= most


def operations(model: onnx.ModelProto, mel: np.ndarray) -> int:
    """Two for each multiplication and addition of the graph's products and convolutions, by the shapes at run time."""
    counted = [node for node in model.graph.node if node.op_type in ("MatMul", "Conv")]
    assert not {"ConvTranspose", "Gemm", "Einsum", "DFT", "STFT"} & {node.op_type for node in model.graph.node}
    shapes = {each.name: list(each.dims) for each in model.graph.initializer} | {"mel": list(mel.shape)}
    wanted = {name for node in counted for name in (*node.input, *node.output)} - shapes.keys()
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    shapes |= {
        name: list(array.shape) for name, array in zip(wanted, session.run(list(wanted), {"mel": mel}), strict=True)
    }
    total = 0
    for node in counted:
        first, second = shapes[node.input[0]], shapes[node.input[1]]
        total += (
            2 * math.prod(shapes[node.output[0]]) * (first[-1] if node.op_type == "MatMul" else math.prod(second[1:]))
        )
    return total


def test_the_graph_is_plain(bundled) -> None:
    """Nothing but the standard's own operations, which every runtime has; no loops, no sequences."""
    model = onnx_model(bundled)
    assert {(each.domain, each.version) for each in model.opset_import} == {("", 17)}
    assert (
        not {"Loop", "If", "Scan", "DFT", "ConvTranspose", "ScatterND"}
        & Counter(node.op_type for node in model.graph.node).keys()
    )


def test_a_file_appears_whole_or_not_at_all(make_model, tmp_path) -> None:
    """Folders are made; what was there stays where the export fails."""
    target = tmp_path / "deep" / "vocos.onnx"
    export_onnx(make_model(), target)
    written = target.read_bytes()
    assert len(written) > 1000
    with pytest.raises(ValueError, match="does not predict an STFT"):
        export_onnx(make_model("mel", "convnext", "imdct-cos", "center"), target, outputs="spectrum")
    assert target.read_bytes() == written
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("precision", "expected"), [("bfloat16", "OpenVINO supports it"), ("fp16", "must be one of float32, int8")]
)
def test_other_precisions_are_refused(make_model, precision, expected) -> None:
    """With what there is."""
    with pytest.raises(ValueError, match=expected):
        onnx_model(make_model(), precision=precision)
