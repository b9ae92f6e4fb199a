"""``vocos export onnx`` and ``openvino``, and ``vocos decode`` with their files."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.plugins import mel_conventions

# 16 bits, and a runtime in float32.
SAME = 1e-4


@pytest.fixture(scope="module")
def exported(run, model, tmp_path_factory: pytest.TempPathFactory):
    """The small model in both kinds of file."""
    folder = tmp_path_factory.mktemp("exported")
    run("export", "onnx", folder / "vocos.onnx", "--model", model)
    run("export", "openvino", folder / "vocos.xml", "--model", model)
    return folder


@pytest.fixture
def mel(noise) -> torch.Tensor:
    """Twelve bands, 50 frames, in the range of a log mel."""
    return noise(12, 50) - 4


@pytest.mark.parametrize(
    "options",
    [
        ("vocos.onnx",),
        ("vocos.onnx", "--backend", "onnxruntime"),
        ("vocos.xml",),
        ("vocos.xml", "--backend", "openvino"),
    ],
    ids=" ".join,
)
def test_a_file_decodes_as_its_model(run, model, exported, mel, tmp_path, options) -> None:
    """Exported files decode several mels like the checkpoint, with or without the name of the runtime."""
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", mel.numpy())
    run("decode", tmp_path, tmp_path / "out", "--model", exported / options[0], *options[1:])
    vocos = Vocos.from_pretrained(model)
    with torch.no_grad():
        expected = vocos.head(vocos.backbone(mel[None]), mel[None]).clamp(-1, 1)[0].numpy()
    for name in "ab":
        audio, rate = soundfile.read(tmp_path / "out" / f"{name}.wav", dtype="float32")
        assert rate == 16000
        assert np.abs(audio - expected).max() < SAME


@pytest.mark.parametrize("name", ["vocos.onnx", "vocos.xml"])
def test_the_doctor_knows_the_files(run, model, exported, name) -> None:
    """They are compared by the mel in their metadata; a file of another program is none."""
    assert "Compatible: no conversion is needed." in run("doctor", model, exported / name).output
    other = exported / f"other{name[5:]}"
    other.write_bytes(b"other")
    assert "not an" in run("doctor", model, other, code=2).output


def test_the_model_s_code_isn_t_used(run, exported, mel, tmp_path, monkeypatch) -> None:
    """No model is built."""

    def refuse(*_: object) -> None:
        raise AssertionError("a model was built")

    monkeypatch.setattr(Vocos, "__init__", refuse)
    np.save(tmp_path / "a.npy", mel.numpy())
    run("decode", tmp_path / "a.npy", tmp_path / "a.wav", "--model", exported / "vocos.onnx")
    assert (tmp_path / "a.wav").exists()


def test_other_mels_are_aligned(run, tmp_path, make_signal) -> None:
    """Mels are aligned to the convention in the file's metadata, including a half-hop shift."""
    run("export", "onnx", tmp_path / "vocos.onnx")
    audio = torch.from_numpy(make_signal("arctic-1", 22050)[:22050]).float()[None]
    for name in ("vocos-22khz", "hifigan-22khz"):
        np.save(tmp_path / f"{name}.npy", MelSpectrogram(mel_conventions()[name])(audio)[0].numpy())
    for options in ((), ("--model", tmp_path / "vocos.onnx")):
        target = tmp_path / f"{len(options)}.wav"
        run("decode", tmp_path / "hifigan-22khz.npy", target, "--source", "hifigan-22khz", "--strict", *options)
    by_model, by_file = (soundfile.read(tmp_path / f"{n}.wav")[0] for n in (0, 2))
    assert by_file.shape == by_model.shape
    assert np.square(by_file - by_model).mean() < 1e-3 * np.square(by_model).mean()  # the model may decode in bfloat16


def test_padding_is_silent(run, exported, tmp_path, make_signal) -> None:
    """NeMo's ``pad_value`` in the last frame isn't played: by one file, by several, and by exported ones."""
    audio = torch.from_numpy(make_signal("arctic-1", 22050)[:20000]).float()[None]
    mel = MelSpectrogram(mel_conventions()["nemo-fastpitch-22khz"])(audio)
    mel[:, :, -1] = 0.0  # in a vowel; played, it is louder than speech
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", mel[0].numpy())
    run("export", "onnx", tmp_path / "vocos.onnx")
    fastpitch = ("--source", "nemo-fastpitch-22khz")
    run("decode", tmp_path / "a.npy", tmp_path / "one.wav", *fastpitch)
    run("decode", tmp_path / "a.npy", tmp_path / "b.npy", tmp_path / "several", *fastpitch)
    run("decode", tmp_path / "a.npy", tmp_path / "exported.wav", *fastpitch, "--model", tmp_path / "vocos.onnx")
    expected = Vocos.from_pretrained("vocos-mel-22khz-small").decode(
        mel[:, :, :-1], source=mel_conventions()["nemo-fastpitch-22khz"]
    )
    for file in ("one.wav", "several/a.wav", "several/b.wav", "exported.wav"):
        found = torch.from_numpy(soundfile.read(tmp_path / file, dtype="float32")[0])
        assert found.shape == (mel.shape[2] * 256 - 256,)
        assert (found[-256:] == 0).all(), file
        difference = found[:-256] - expected[0]
        # The model may decode in 8 bits or bfloat16.
        assert difference.square().mean() < 1e-3 * expected.square().mean(), file


def test_bad_mels_are_listed(run, exported, model, mel, tmp_path) -> None:
    """Bad mels are listed, and the good ones are written."""
    np.save(tmp_path / "good.npy", mel.numpy())
    np.save(tmp_path / "bands.npy", np.zeros((11, 50), np.float32))
    np.save(tmp_path / "nan.npy", np.full((12, 50), np.nan, np.float32))
    np.save(tmp_path / "integers.npy", np.full((12, 50), -4))
    np.save(tmp_path / "large.npy", np.where(np.arange(50) == 20, np.float32(1e16), mel.numpy()))
    torch.save(mel.bfloat16(), tmp_path / "bfloat16.pt")
    torch.save(mel.clone().requires_grad_(), tmp_path / "gradient.pt")
    outcomes = []
    for name, options in (("by-file", ("--model", exported / "vocos.onnx")), ("by-model", ("--model", model))):
        result = run("decode", *sorted(tmp_path.glob("*.*")), tmp_path / name, *options, code=1)
        failed = [line for line in result.stderr.splitlines() if line.startswith("failed: ")]
        outcomes.append((failed, sorted(path.name for path in (tmp_path / name).iterdir())))
    # The same errors, whichever backend would have decoded.
    assert outcomes[0] == outcomes[1]
    failed, written = outcomes[0]
    assert len(failed) == 4
    for expected in ("takes 12 bands", "NaN or infinite", "must be floating point", "values beyond 1e+15"):
        assert sum(expected in line for line in failed) == 1
    assert written == ["bfloat16.wav", "good.wav", "gradient.wav"]
    close, good = (soundfile.read(tmp_path / "by-file" / f"{name}.wav")[0] for name in ("bfloat16", "good"))
    assert np.square(close - good).mean() < 0.1 * np.square(good).mean()


def test_a_mel_of_another_kind_is_warned_of(run, exported, mel, tmp_path) -> None:
    """The warning for decibels instead of natural logarithms is the same as for a checkpoint."""
    np.save(tmp_path / "decibels.npy", 20 * mel.numpy())
    result = run("decode", tmp_path / "decibels.npy", tmp_path / "a.wav", "--model", exported / "vocos.onnx")
    assert "does not look like a" in result.stderr


def test_lower_precisions_say_what_they_cost(run, model, tmp_path) -> None:
    """The loss in quality is measured on shipped speech at each export."""
    for kind, target, precision in (("onnx", "a.onnx", "int8"), ("openvino", "b", "bfloat16")):
        output = run("export", kind, tmp_path / target, "--model", model, "--precision", precision).output
        assert "dB signal to error against float32" in output
        assert "on the shipped clips" in output
    assert (tmp_path / "b" / "model.bin").exists()


def test_the_spectrum(run, model, tmp_path) -> None:
    """`vocos decode` refuses a file that outputs a spectrum, which is for other runtimes."""
    run("export", "onnx", tmp_path / "a.onnx", "--model", model, "--outputs", "spectrum")
    refused = run("decode", tmp_path, tmp_path / "out", "--model", tmp_path / "a.onnx", code=2)
    assert "ends at the spectrum" in refused.output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("export", "onnx", "a.bin"), "must end in .onnx"),
        (("export", "onnx", "a.onnx", "--precision", "bfloat16"), "OpenVINO supports it"),
        (("export", "onnx", "a.onnx", "--outputs", "mel"), "audio, spectrum"),
        (("export", "onnx", "a.onnx", "--strict"), "--strict apply to toolkits"),
        (("export", "coqui", "out", "--precision", "int8"), "apply only to onnx and openvino"),
        (("decode", "a.npy", "out", "--model", "a.onnx"), "No such file"),
        (("decode", "a.npy", "out", "--backend", "onnxruntime"), "loads .onnx files"),
        (("decode", "a.npy", "out", "--model", "a.onnx", "--codes"), "need a checkpoint"),
        (("decode", "a.npy", "out", "--model", "a.onnx", "--device", "cuda"), "need a checkpoint"),
    ],
)
def test_wrong_usage_says_what_is_right(run, tmp_path, monkeypatch, arguments, expected) -> None:
    """Wrong usage has exit code 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert expected in " ".join(run(*arguments, code=2).output.split())
    assert not list(tmp_path.iterdir())


def test_a_missing_runtime_is_named(run, model, exported, tmp_path, monkeypatch) -> None:
    """The error names the extra to install."""
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    refused = run("export", "onnx", tmp_path / "a.onnx", "--model", model, code=2)
    assert "pip install 'vocos-plugins[onnx]'" in refused.output
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    refused = run("decode", exported, tmp_path / "out", "--model", exported / "vocos.onnx", code=2)
    assert "vocos-plugins[onnx]" in refused.output
