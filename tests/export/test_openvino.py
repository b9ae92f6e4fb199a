"""OpenVINO computes with an export what torch computes, and the lower precisions come near."""

from __future__ import annotations

import pytest
import torch

from vocos_plugins.export import OpenVinoSession, export_openvino, load_session
from vocos_plugins.export.openvino import openvino_model

SAME = 1e-4  # of the peak
# Times torch's own error against float64: OpenVINO's is up to 7.7 times it before any pass, which then magnify both.
ROUNDING = 8
LENGTHS = (1, 2, 3, 64, 200)


@pytest.mark.parametrize("n_frames", LENGTHS)
@pytest.mark.parametrize("batch", [1, 3])
def test_the_paper_s_size_equals_torch(paper, session, in_torch, noise, relative_error, batch, n_frames) -> None:
    """13.5 million random weights, 100 bands."""
    mel = noise(batch, 100, n_frames) - 5
    assert relative_error(torch.from_numpy(session(paper, "openvino")(mel.numpy())), in_torch(paper, mel)) <= SAME


@pytest.mark.parametrize("n_frames", LENGTHS)
def test_the_encodec_size_equals_torch(encodec, session, in_torch, noise, relative_error, n_frames) -> None:
    """Each row with its own bandwidth."""
    features, ids = 3 * noise(3, 128, n_frames), torch.tensor([0, 3, 1])
    found = session(encodec, "openvino")(features.numpy(), ids.numpy())
    assert relative_error(torch.from_numpy(found), in_torch(encodec, features, ids)) <= SAME


@pytest.mark.parametrize("n_frames", [1, 2, 3, 64, 130])
def test_the_bundled_model_equals_torch(bundled, speech, session, in_torch, relative_error, rounding, n_frames) -> None:
    """On speech, three different rows of it; as near as torch is to the exact result, where that is further away."""
    mel = torch.cat([speech, speech.flip(2), speech.roll(40, 2)])[:, :, :n_frames]
    found = torch.from_numpy(session(bundled, "openvino")(mel.numpy()))
    assert relative_error(found, in_torch(bundled, mel)) <= max(SAME, ROUNDING * rounding(bundled, mel))


@pytest.mark.parametrize(
    "parts",
    [
        ("mel", "convnext", "prior", "same"),
        ("mel", "convnext", "refined", "center"),
        ("mel", "convnext", "upsampled", "center"),
        ("mel", "convnext", "imdct-symexp", "center"),
        ("mel", "adanorm", "imdct-cos", "same"),
        ("mel", "resnet", "wavenext", "same"),
    ],
    ids="-".join,
)
def test_other_parts_equal_torch(make_model, in_torch, noise, relative_error, parts) -> None:
    """The other heads and backbones."""
    vocos = make_model(*parts)
    session = OpenVinoSession(openvino_model(vocos))
    for batch, n_frames in ((1, 1), (3, 2), (2, 40)):
        mel, ids = noise(batch, 12, n_frames), torch.arange(batch) if session.conditioned else None
        found = session(mel.numpy(), None if ids is None else ids.numpy())
        assert relative_error(torch.from_numpy(found), in_torch(vocos, mel, ids)) <= SAME


@pytest.mark.parametrize(("precision", "least_db"), [("bfloat16", 55), ("int8", 45)])
def test_lower_precisions_come_near(paper, session, in_torch, noise, precision, least_db) -> None:
    """On random weights, which are less sensitive than trained ones: the head is in float32, 8 bits go in groups."""
    mel = noise(1, 100, 60) - 5
    found = torch.from_numpy(session(paper, "openvino", precision)(mel.numpy()))
    expected = in_torch(paper, mel)
    assert 10 * torch.log10(expected.square().sum() / (expected - found).square().sum()) >= least_db


def test_files(make_model, in_torch, noise, relative_error, tmp_path) -> None:
    """Two of them, in a folder or by a name, and nothing else; they hold the metadata."""
    vocos, mel = make_model(), noise(2, 12, 20)
    assert export_openvino(vocos, tmp_path / "folder") == tmp_path / "folder" / "model.xml"
    assert export_openvino(vocos, tmp_path / "vocos.xml", precision="bfloat16") == tmp_path / "vocos.xml"
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"folder/model.xml", "folder/model.bin", "vocos.xml", "vocos.bin"}
    session = load_session(tmp_path / "folder" / "model.xml")
    assert session.metadata["mel_n_mels"] == "12"
    assert session.config == vocos.config.to_dict()
    assert relative_error(torch.from_numpy(session(mel.numpy())), in_torch(vocos, mel)) <= SAME
    assert load_session(tmp_path / "vocos.xml").metadata["precision"] == "bfloat16"


def test_the_spectrum(make_model, noise) -> None:
    """Three outputs, by the names of the ONNX file."""
    import openvino

    model = openvino_model(make_model("mel", "convnext", "istft", "center"), outputs="spectrum")
    assert [output.any_name for output in model.outputs] == ["mag", "x", "y"]
    results = openvino.Core().compile_model(model, "CPU")([noise(1, 12, 7).numpy()])
    assert all(array.shape == (1, 33, 7) for array in results.values())
    with pytest.raises(ValueError, match="ends at the spectrum"):
        OpenVinoSession(model)


@pytest.mark.parametrize(
    ("parts", "precision", "expected"),
    [
        (("mel", "resnet", "istft"), "bfloat16", "only a ConvNeXt backbone"),
        (("mel", "resnet", "istft"), "int8", "only a ConvNeXt backbone"),
        (("mel", "convnext", "istft"), "float16", "must be one of float32, bfloat16, int8"),
    ],
)
def test_what_can_t_be_is_said(make_model, parts, precision, expected) -> None:
    """With what can."""
    with pytest.raises(ValueError, match=expected):
        openvino_model(make_model(*parts, "center"), precision=precision)
