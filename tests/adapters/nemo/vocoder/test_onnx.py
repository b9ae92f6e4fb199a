"""NeMo's `export` of the vocoder, run by onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vocos_plugins import Vocos
from vocos_plugins.inference.fast.onednn import has_bfloat16, has_int8
from vocos_plugins.mel import MelMismatchWarning

pytestmark = pytest.mark.xdist_group("nemo")

# Absolute, for audio within [-1, 1]: float32 sums in another order.
SAME = 1e-5
# The bundled model magnifies rounding, most in a few frames, as each pass of its refinement starts from the one before:
# the root of the mean square, and the worst sample.
REFINED, WORST = 2e-5, 2e-4
CONTEXT = 40  # frames before the padding that hear it: held in the file, cut off here
SHAPES = [(1, 1), (1, 37), (3, 100), (2, 256)]


@pytest.fixture
def run(tmp_path):
    """Returns a function that exports a model and runs the file on mels."""
    import onnxruntime

    def start(model, **options):
        path = tmp_path / "vocos.onnx"
        model.export(str(path), **options)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        assert [value.name for value in session.get_inputs()] == ["spec"]
        assert [value.name for value in session.get_outputs()] == ["audio"]
        return lambda mel: torch.from_numpy(session.run(None, {"spec": mel.numpy()})[0])

    return start


@pytest.mark.parametrize("name", ["nemo-fastpitch-22khz", "nemo-hifigan-22khz"])
def test_the_bundled_model(name, vocoder, bundled, nemo_mel, make_signal, make_mel, conventions_by_name, run):
    """For any batch size and length the audio is the model's own, for mels of speech and others that are aligned."""
    model = vocoder.wrap(bundled, source=conventions_by_name[name])
    exported = run(model)
    audio = make_signal("arctic-1", 22050)
    speech, _ = nemo_mel(name, audio, audio.shape[1] + 256)
    for mel in (speech, *(make_mel(*shape) for shape in SHAPES)):
        found = exported(mel)
        assert found.shape == (len(mel), 1, mel.shape[-1] * 256)
        difference = found[:, 0] - model.convert_spectrogram_to_audio(spec=mel)
        assert difference.square().mean().sqrt() <= REFINED
        assert difference.abs().max() <= WORST


@pytest.mark.parametrize(
    ("head", "backbone", "framing"),
    [
        ("istft", "resnet", "same"),
        ("prior", "convnext", "center"),
        ("imdct-symexp", "convnext", "center"),
        ("imdct-cos", "convnext", "same"),
        ("wavenext", "convnext", "same"),
    ],
)
def test_every_architecture(head, backbone, framing, vocoder, make_vocos, make_mel, run):
    """Every architecture exports; errors are relative to the peak, as random weights are loud."""
    model = vocoder.wrap(make_vocos(head, backbone, framing))
    exported = run(model)
    for shape in SHAPES:
        mel = make_mel(*shape)
        expected = model.convert_spectrogram_to_audio(spec=mel)
        np.testing.assert_allclose(exported(mel)[:, 0], expected, atol=SAME * float(expected.abs().max()), rtol=0)


def test_the_model_stays_as_it_is(vocoder, make_vocos, make_mel, run):
    """Unlike NeMo's vocoders, the model keeps its mode and its trainable parameters, and can still train."""
    model = vocoder.wrap(make_vocos()).train()
    model.generator.vocos.backbone.embed.requires_grad_(False)
    trained = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    keys, mel = list(model.state_dict()), make_mel()
    expected = model.convert_spectrogram_to_audio(spec=mel)
    run(model)
    assert model.training
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == trained
    assert list(model.state_dict()) == keys
    assert torch.equal(model.convert_spectrogram_to_audio(spec=mel), expected)
    model(spec=mel).sum().backward()
    with pytest.raises(TypeError, match="kwargs"):  # NeMo's checks are on again
        model(mel)


def test_torchscript(vocoder, make_vocos, make_mel, tmp_path):
    """TorchScript, NeMo's other format, returns the same audio for shapes other than the traced one."""
    model = vocoder.wrap(make_vocos())
    model.export(str(tmp_path / "vocos.ts"))
    traced = torch.jit.load(str(tmp_path / "vocos.ts"))
    for shape in SHAPES:
        mel = make_mel(*shape)
        expected = model.convert_spectrogram_to_audio(spec=mel)
        np.testing.assert_allclose(traced(mel)[:, 0], expected, atol=SAME * float(expected.abs().max()), rtol=0)


@pytest.mark.parametrize("suffix", ["onnx", "ts"])
def test_nemos_own_check(suffix, vocoder, make_mel, tmp_path, monkeypatch):
    """NeMo's comparison of the file with the model succeeds where the model decodes in 8 bits, also on loud noise."""
    from nemo.core.classes import exportable

    precision = "int8" if has_int8() else "bfloat16" if has_bfloat16() else "float32"
    model = vocoder.wrap(Vocos.from_pretrained("vocos-mel-22khz-small", precision=precision))
    backend, mel = model.generator.vocos.backend, make_mel()
    expected = model.convert_spectrogram_to_audio(spec=mel)
    verdicts = []
    for name in ("verify_runtime", "verify_torchscript"):
        check = getattr(exportable, name)
        monkeypatch.setattr(exportable, name, lambda *args, check=check, **kw: verdicts.append(check(*args, **kw)))
    for check_trace in (True, [({"spec": mel + 5},)]):
        model.export(str(tmp_path / f"vocos.{suffix}"), check_trace=check_trace)
    assert verdicts == [True, True]
    assert model.generator.vocos.backend is backend
    assert torch.equal(model.convert_spectrogram_to_audio(spec=mel), expected)


@pytest.mark.parametrize("name", ["nemo-fastpitch-22khz", "nemo-hifigan-22khz"])
def test_padding(name, vocoder, bundled, nemo_mel, make_signal, conventions_by_name, run):
    """NeMo's padding is silent in the exported file as well, which gets no lengths."""
    model = vocoder.wrap(bundled, source=conventions_by_name[name])
    audio = make_signal("arctic-1", 22050)[:, :20000].repeat(3, 1)
    mel, reported = nemo_mel(name, audio, 20000, 12000, 5000)
    mel[2] = conventions_by_name[name].pad_value
    found = run(model)(mel)[:, 0]
    expected = model.convert_spectrogram_to_audio(spec=mel)
    for row, n_frames in enumerate([int(reported[0]), int(reported[1]), 0]):
        assert (found[row, n_frames * 256 :] == 0).all()
        known = max(0, (n_frames - CONTEXT) * 256)
        torch.testing.assert_close(found[row, :known], expected[row, :known], rtol=0, atol=WORST)
        assert found[row].abs().max() <= 1.5 * expected[row].abs().max()


def test_what_can_not_be_exported(vocoder, make_vocos, conventions_by_name, tmp_path):
    """A model that can't be exported is refused before anything is written."""
    with pytest.warns(MelMismatchWarning):
        lossy = vocoder.wrap(make_vocos(f_max=7700.0))
    with pytest.raises(ValueError, match="can't export a lossy mel conversion"):
        lossy.export(str(tmp_path / "vocos.onnx"))
    with pytest.raises(ValueError, match="use_dynamo=True"):
        vocoder.wrap(make_vocos()).export(str(tmp_path / "vocos.onnx"), use_dynamo=True)
    assert list(tmp_path.iterdir()) == []
