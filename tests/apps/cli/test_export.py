"""``vocos export``, ``vocos enable`` and ``vocos disable``; the toolkits' own tests load the files."""

from __future__ import annotations

import importlib.util
import json

import pytest

from vocos_plugins.mel import MelMismatchWarning, alignment

SPEECHBRAIN = """
sample_rate: {sample_rate}
hop_length: 256
win_length: 1024
n_mel_channels: 80
n_fft: 1024
mel_fmin: 0.0
mel_fmax: 8000.0
mel_normalized: False
power: 1
norm: slaney
mel_scale: slaney
dynamic_range_compression: True
model: !new:torch.nn.Identity
"""


@pytest.mark.parametrize(
    ("toolkit", "files"),
    [("speechbrain", {"hyperparams.yaml", "generator.ckpt"}), ("coqui", {"config.json", "model.safetensors"})],
)
def test_writes_what_the_toolkit_loads(run, tmp_path, toolkit, files) -> None:
    """The bundled model can be exported as a directory, twice in a row."""
    for _ in range(2):
        run("export", toolkit, tmp_path / "out")
        assert {path.name for path in (tmp_path / "out").iterdir()} == files


def test_the_tts_model_s_configuration_decides_the_mel(run, tmp_path) -> None:
    """The export contains the mel of --tts; a lossy conversion warns, or is refused with --strict."""
    for sample_rate in (22050, 16000):
        (tmp_path / f"{sample_rate}.yaml").write_text(SPEECHBRAIN.format(sample_rate=sample_rate))
    run("export", "speechbrain", tmp_path / "exact", "--tts", tmp_path / "22050.yaml", "--strict")
    alignment._approximate.cache_clear()  # it warns once in a process, and another test may have been the first
    with pytest.warns(MelMismatchWarning, match=r"error \d"):
        run("export", "speechbrain", tmp_path / "lossy", "--tts", tmp_path / "16000.yaml")
    assert "sample_rate: 16000" in (tmp_path / "lossy" / "hyperparams.yaml").read_text()
    refused = run("export", "speechbrain", tmp_path / "no", "--tts", tmp_path / "16000.yaml", "--strict", code=2)
    assert "sample_rate: 16000 against 22050" in refused.output
    assert not (tmp_path / "no").exists()


def test_a_convention_s_name_will_do(run, tmp_path) -> None:
    """A convention's name can replace the configuration."""
    run("export", "coqui", tmp_path / "out", "--tts", "coqui-ljspeech", "--strict")
    assert '"np.log"' in (tmp_path / "out" / "config.json").read_text()


def test_coqui_needs_no_statistics(run, tmp_path) -> None:
    """Coqui TTS undoes the normalization before the vocoder, so the file may be missing; other toolkits need it."""
    file = tmp_path / "config.json"
    file.write_text(
        json.dumps({"model": "glow_tts", "audio": {"stats_path": "/trainer/stats.npy", "mel_fmax": 8000.0}})
    )
    run("export", "coqui", tmp_path / "out", "--tts", file)
    audio = json.loads((tmp_path / "out" / "config.json").read_text())["audio"]
    assert (audio["signal_norm"], audio["stats_path"]) == (False, None)
    refused = run("export", "speechbrain", tmp_path / "no", "--tts", file, code=2)
    assert "put the model's stats.npy beside config.json" in " ".join(refused.output.split())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("speachbrain", "out"), "did you mean 'speechbrain'?"),
        (("bark", "out"), "no vocoder checkpoints"),
        (("speechbrain", "out", "--tts", "nothing-like-it"), "Expected a checkpoint directory"),
        (("speechbrain", "out", "--model", "nothing-like-it"), "not a checkpoint"),
    ],
    ids=["toolkit", "bark", "tts", "model"],
)
def test_wrong_usage_says_what_is_right(run, tmp_path, monkeypatch, arguments, expected) -> None:
    """Wrong usage has exit code 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert expected in " ".join(run("export", *arguments, code=2).output.split())
    assert not list(tmp_path.iterdir())


def test_enable_and_disable(run, tmp_path, monkeypatch) -> None:
    """One file is written and removed; repeating either command is harmless."""
    monkeypatch.setattr("vocos_coqui.activation.site_packages", lambda: tmp_path)
    assert "wrote" in run("enable", "coqui").output
    assert [path.suffix for path in tmp_path.iterdir()] == [".pth"]
    assert "already there" in run("enable", "coqui").output
    assert "removed" in run("disable", "coqui").output
    assert "nothing to do" in run("disable", "coqui").output
    assert not list(tmp_path.iterdir())


def test_enable_where_nothing_is_needed(run) -> None:
    """SpeechBrain finds Vocos by the exported directory."""
    assert "needs no activation" in run("enable", "speechbrain", code=2).output


@pytest.mark.parametrize(
    ("toolkit", "steps"),
    [
        ("nemo", ("import vocos_nemo.vocoder", "python -m vocos_nemo.run")),
        ("bark", ("vocos_bark.using", "vocos_bark.attach")),
    ],
)
def test_enable_where_a_program_has_to_do_it(run, toolkit, steps) -> None:
    """The error names what does it, and every name in it exists."""
    for command in ("enable", "disable"):
        message = " ".join(run(command, toolkit, code=2).output.split())
        assert all(step in message for step in steps)
        assert "needs no activation" not in message
    assert importlib.util.find_spec(f"vocos_{toolkit}.{'run' if toolkit == 'nemo' else 'attachment'}")
