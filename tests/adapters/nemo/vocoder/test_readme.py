"""Every snippet of adapters/vocos_nemo/README.md runs, and its statements about NeMo are true."""

from __future__ import annotations

import pytest
import yaml

pytestmark = pytest.mark.xdist_group("nemo")


@pytest.fixture
def workplace(fastpitch, tmp_path, monkeypatch):
    """Returns a folder with the one file that the snippets read."""
    fastpitch.save_to(str(tmp_path / "fastpitch.nemo"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_snippets(readme, workplace, vocoder, relative_error):
    """The snippets run in order, as one session; then the training log's configuration finds the file they wrote."""
    from nemo.core.classes.common import safe_instantiate
    from omegaconf import OmegaConf

    names = {}
    snippets = readme("python")
    assert len(snippets) == 5
    for snippet in snippets:
        exec(compile(snippet, "README.md", "exec"), names)  # noqa: S102
    assert names["audio"].shape == (1, names["spec"].shape[-1] * 256)
    assert type(names["vocoder"]) is vocoder.VocosModel
    again = names["vocoder"].convert_spectrogram_to_audio(spec=names["spec"])
    # Another memory layout is summed in another order, which the refinement magnifies.
    assert relative_error(again, names["audio"]) < 1e-4
    assert (workplace / "vocos.onnx").stat().st_size > 0
    (block,) = readme("yaml")
    (generator,) = safe_instantiate(OmegaConf.create(yaml.safe_load(block))).generators
    assert type(generator.vocoder) is vocoder.VocosModel


def test_command_line(readme, workplace, nemo):
    """The line for a `.nemo` file writes one; the others name modules that exist (see also `test_run`)."""
    import importlib.util

    from typer.testing import CliRunner

    from vocos_plugins.apps.cli import app

    install, export, *runs = readme("shell")
    assert install == "pip install 'vocos-plugins[nemo]'"
    program, *arguments = export.split()
    assert program == "vocos"
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert nemo.HifiGanModel.restore_from("vocos.nemo").generator.source.name == "nemo-fastpitch-22khz"
    assert len(runs) == 2
    for line in runs:
        assert importlib.util.find_spec(line.partition(" -m ")[2].split()[0])


def test_nemos_recipe_fails_by_itself(readme, workplace):
    """With the line that the README says to leave out, NeMo 3.0 refuses its own class."""
    from nemo.core.classes.common import UnsafeTargetError, safe_instantiate
    from omegaconf import OmegaConf

    (block,) = readme("yaml")
    config = OmegaConf.create(yaml.safe_load(block))
    config.generators[0].audio_params._target_ = "nemo.collections.tts.parts.utils.callbacks.LogAudioParams"
    with pytest.raises(UnsafeTargetError, match="LogAudioParams"):
        safe_instantiate(config)


def test_lightning_starts_the_bare_script(monkeypatch):
    """Lightning starts other processes with the bare script, which is why the README uses torchrun."""
    import sys
    import types

    from lightning.fabric.strategies.launchers.subprocess_script import _basic_subprocess_cmd

    script = types.ModuleType("__main__")  # as run by `runpy`
    script.__spec__ = None
    monkeypatch.setitem(sys.modules, "__main__", script)
    monkeypatch.setattr(sys, "argv", ["/there/script.py", "trainer.devices=4"])
    assert _basic_subprocess_cmd() == [sys.executable, "/there/script.py", "trainer.devices=4"]
