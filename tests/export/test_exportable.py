"""The model goes through torch's own exporters, and comes out the same."""

from __future__ import annotations

import copy

import onnx
import pytest
import torch
from torch import nn

from vocos_plugins.export import Exportable, OnnxSession
from vocos_plugins.export.backend import RuntimeBackend
from vocos_plugins.export.onnx import onnx_model

SAME = 1e-5  # of the peak: sums in another order, layer scales multiplied first


@pytest.mark.parametrize("framing", ["center", "same"])
@pytest.mark.parametrize(
    "parts",
    [
        ("mel", "convnext", "istft"),
        ("mel", "convnext", "prior"),
        ("mel", "convnext", "imdct-symexp"),
        ("mel", "resnet", "imdct-cos"),
        ("mel", "adanorm", "istft"),
        ("encodec", "adanorm", "istft"),
        ("encodec", "resnet", "istft"),
    ],
    ids="-".join,
)
def test_equals_the_model(make_model, in_torch, noise, relative_error, parts, framing) -> None:
    """With weights and scales multiplied together; the model itself is left alone."""
    vocos = make_model(*parts, framing)
    state = {key: value.clone() for key, value in vocos.state_dict().items()}
    exportable = Exportable(vocos)
    ids = torch.tensor([3, 0]) if vocos.config.n_bandwidths else None
    features = noise(2, 12, 21)
    assert relative_error(exportable.audio(features, ids), in_torch(vocos, features, ids)) <= SAME
    assert all(torch.equal(vocos.state_dict()[key], value) for key, value in state.items())


def test_a_half_precision_model_is_exported_in_float32(make_model, noise, relative_error) -> None:
    """Its weights are what they are; nothing is computed in bfloat16 that wasn't asked for."""
    vocos = make_model()
    rounded = copy.deepcopy(vocos).bfloat16()
    found, expected = Exportable(rounded).audio(noise(1, 12, 9)), Exportable(vocos).audio(noise(1, 12, 9))
    assert found.dtype == torch.float32
    assert 0 < relative_error(found, expected) < 0.1


def test_bfloat16_is_near(paper, noise) -> None:
    """60 dB below the signal, with the head in float32."""
    mel = noise(1, 100, 40) - 5
    exact, rounded = Exportable(paper).audio(mel), Exportable(paper, bfloat16=True).audio(mel)
    assert rounded.dtype == torch.float32
    assert 60 < 10 * torch.log10(exact.square().sum() / (exact - rounded).square().sum()) < 90


class Model(nn.Module):
    """A model as it is, FFT and all."""

    def __init__(self, vocos) -> None:
        super().__init__()
        self.backbone, self.head = vocos.backbone, vocos.head

    def forward(self, features):
        return self.head(self.backbone(features), features)


@pytest.mark.parametrize(("wrap", "head"), [(Model, "prior"), (Exportable, "prior"), (Exportable, "imdct-cos")])
def test_torch_export(make_model, in_torch, noise, relative_error, wrap, head) -> None:
    """One program for every batch and length."""
    vocos = make_model("mel", "convnext", head, "center")
    axes = {0: torch.export.Dim("batch"), 2: torch.export.Dim("frames", min=2)}
    program = torch.export.export(wrap(vocos), (noise(2, 12, 20),), dynamic_shapes=(axes,)).module()
    for batch, n_frames in ((3, 2), (2, 50)):
        mel = noise(batch, 12, n_frames)
        assert relative_error(program(mel).detach(), in_torch(vocos, mel)) <= SAME


def test_torch_export_with_bandwidths(make_model, in_torch, noise, relative_error) -> None:
    """A row's bandwidth is an input."""
    vocos = make_model("encodec", "adanorm", "istft", "same")
    exportable = Exportable(vocos)
    batch = torch.export.Dim("batch")
    axes = ({0: batch, 2: torch.export.Dim("frames", min=2)}, {0: batch})
    program = torch.export.export(exportable, exportable.example(), dynamic_shapes=axes).module()
    features, ids = noise(3, 12, 9), torch.tensor([0, 2, 1])
    assert relative_error(program(features, ids), in_torch(vocos, features, ids)) <= SAME


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("head", ["prior", "imdct-symexp", "wavenext"])
def test_torchscript(make_model, in_torch, noise, relative_error, tmp_path, head) -> None:
    """Traced, saved and loaded, for other batches and lengths than it was traced with, one frame too."""
    vocos = make_model("mel", "convnext", head, "same")
    exportable = Exportable(vocos)
    traced = torch.jit.trace(exportable, exportable.example())
    traced.save(tmp_path / "model.pt")
    loaded = torch.jit.load(tmp_path / "model.pt")
    for batch, n_frames in ((1, 1), (3, 2), (1, 70)):
        mel = noise(batch, 12, n_frames)
        assert relative_error(loaded(mel), in_torch(vocos, mel)) <= SAME


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_torch_s_newer_onnx_exporter(make_model, noise, in_torch, relative_error) -> None:
    """By way of `torch.export`; `export_onnx` uses the older one, which is ten times as fast."""
    import onnxruntime

    vocos = make_model("mel", "convnext", "imdct-cos", "center")
    axes = {0: torch.export.Dim("batch"), 2: torch.export.Dim("frames", min=2)}
    program = torch.onnx.export(
        Exportable(vocos), (noise(2, 12, 20),), dynamo=True, verbose=False, dynamic_shapes=(axes,), input_names=["mel"]
    )
    onnx.checker.check_model(program.model_proto)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    mel = noise(1, 12, 33)
    found = torch.from_numpy(session.run(None, {"mel": mel.numpy()})[0])
    assert relative_error(found, in_torch(vocos, mel)) <= SAME


@pytest.mark.parametrize(
    ("parts", "options", "expected"),
    [
        (("mel", "convnext", "istft"), {"outputs": "mel"}, "outputs must be one of audio, spectrum, got 'mel'"),
        (("mel", "convnext", "imdct-cos"), {"outputs": "spectrum"}, "does not predict an STFT"),
        (("mel", "resnet", "istft"), {"bfloat16": True}, "only a ConvNeXt backbone"),
    ],
    ids=["outputs", "no-spectrum", "no-pointwise"],
)
def test_what_can_t_be_is_said(make_model, parts, options, expected) -> None:
    """With what can."""
    with pytest.raises(ValueError, match=expected):
        Exportable(make_model(*parts, "center"), **options)


def test_a_postfilter_is_part_of_files_and_not_of_engines(make_model, noise, relative_error) -> None:
    """A file gets predicted mels as they are; an engine gets them filtered, by `decode`."""
    vocos, mel = make_model("mel", "convnext", "prior"), noise(1, 12, 30)
    vocos.set_postfilter(torch.eye(12).roll(1, dims=0) + torch.eye(12), noise(12))
    expected = vocos.decode(mel)
    session = OnnxSession(onnx_model(vocos).SerializeToString())
    by_file = torch.from_numpy(session(mel.numpy()))
    by_module = Exportable(vocos).audio(mel)
    vocos.backend = RuntimeBackend("onnxruntime")
    for found in (by_module, by_file, vocos.decode(mel)):
        assert relative_error(found, expected) < SAME
