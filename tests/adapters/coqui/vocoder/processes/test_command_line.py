"""Runs Coqui TTS's own commands in fresh processes, after nothing but registering Vocos."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import soundfile
from vocos_coqui.export import export
from vocos_coqui.mel import read_convention

from helpers.paths import ROOT

pytestmark = pytest.mark.xdist_group("coqui")

PYPROJECT = ROOT / "pyproject.toml"
SENTENCE = "Hello there, how are you today?"
# Files have 16 bits, and another process may round differently.
STEPS = 2

WITHOUT_AND_WITH = """
import sys
from TTS.config import load_config
try:
    load_config(sys.argv[1])
    print("known before")
except ModuleNotFoundError as error:
    print(error)
import vocos_coqui
print(load_config(sys.argv[1]).model)
"""


def entry_point(command):
    """Returns the script that pip makes of a command in pyproject.toml."""
    found = re.search(rf'^{command} = "([\w.]+):(\w+)"$', PYPROJECT.read_text(), flags=re.MULTILINE)
    module, function = found.groups()
    return f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n"


@pytest.fixture(scope="module")
def files(make_tts, make_vocos, tmp_path_factory):
    """Returns the arguments of Coqui TTS's commands for a kind of TTS model with a Vocos."""

    def make(name):
        tts = make_tts(name)
        vocoder = tmp_path_factory.mktemp("vocoder")
        export(make_vocos(read_convention(tts)), vocoder, tts=tts, strict=True)
        return {
            "model_path": str(tts / "model.pth"),
            "config_path": str(tts / "config.json"),
            "vocoder_path": str(vocoder / "model.safetensors"),
            "vocoder_config_path": str(vocoder / "config.json"),
        }

    return make


@pytest.fixture
def expected(tmp_path):
    """Returns a function that speaks in this process, and returns its file's samples, ``(N,)`` int16."""

    def speak(files):
        from TTS.api import TTS

        TTS(**files, progress_bar=False).tts_to_file(SENTENCE, file_path=tmp_path / "expected.wav")
        return read(tmp_path / "expected.wav")

    return speak


def read(file):
    """Reads the samples of a WAV file at the TTS's rate."""
    samples, sample_rate = soundfile.read(file, dtype="int16")
    assert sample_rate == 22050
    return samples


def options(files):
    """Returns the arguments as command-line options."""
    return [part for name, path in files.items() for part in (f"--{name}", path)]


def test_tts(enabled, tts_script, files, expected, tmp_path):
    """The command ``tts`` works in an environment in which Vocos is enabled."""
    arguments = files("glow_tts")
    done = enabled.run(tts_script("tts"), "--text", SENTENCE, "--out_path", tmp_path / "said.wav", *options(arguments))
    assert "Vocoder model: vocos" in done.stdout
    assert np.abs(read(tmp_path / "said.wav") - expected(arguments)).max() <= STEPS


def test_vocos_tts(make_environment, files, expected, tmp_path):
    """The command ``vocos-tts``, as named in pyproject.toml, works where nothing is enabled."""
    script = tmp_path / "vocos-tts"
    script.write_text(entry_point("vocos-tts"))
    arguments = files("fast_pitch")
    make_environment().run(script, "--text", SENTENCE, "--out_path", tmp_path / "said.wav", *options(arguments))
    assert np.abs(read(tmp_path / "said.wav") - expected(arguments)).max() <= STEPS


def test_vocos_tts_server(make_environment, tmp_path):
    """The command ``vocos-tts-server`` starts Coqui TTS's server in a process that knows Vocos."""
    script = tmp_path / "server"
    script.write_text(entry_point("vocos-tts-server"))
    assert "--vocoder_config_path" in make_environment().run(script, "--help").stdout


def test_commands_without_coqui(monkeypatch):
    """Without Coqui TTS, each command says how to install it."""
    from vocos_coqui import command_line

    monkeypatch.setattr(command_line.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match=r"pip install 'vocos-plugins\[coqui\]'"):
        command_line.main()
    with pytest.raises(SystemExit, match=r"vocos-tts-server runs Coqui TTS.*pip install"):
        command_line.serve()


def test_importing_the_package(make_environment, files):
    """Coqui TTS knows the name only after the package is imported."""
    lines = make_environment().run("-c", WITHOUT_AND_WITH, files("glow_tts")["vocoder_config_path"]).stdout.splitlines()
    assert lines == [" [!] Config for vocos cannot be found.", "vocos"]


def test_tts_server(enabled, ask_server, files, expected, tmp_path):
    """``tts-server`` answers a request with the audio of the Vocos."""
    arguments = files("glow_tts")
    log = tmp_path / "log.txt"
    answer = ask_server(enabled, options(arguments), SENTENCE, log)
    assert "Vocoder model: vocos" in log.read_text()
    assert np.abs(read(io.BytesIO(answer)) - expected(arguments)).max() <= STEPS
