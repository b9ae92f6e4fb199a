"""The snippets of the adapter's README run as printed, with the small model of this repository."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import soundfile
from vocos_coqui.activation import FILE
from vocos_coqui.export import export

from helpers.paths import ROOT
from vocos_plugins import Vocos

pytestmark = pytest.mark.xdist_group("coqui")

README = (ROOT / "adapters" / "vocos_coqui" / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
SHELL = re.findall(r"(?<!-->\n)```sh\n(.*?)```", README, flags=re.DOTALL)
SENTENCE = "Hello there."
SCRIPTS = {
    "vocos": "from vocos_plugins.apps.cli import main; main()",
    "vocos-tts": "from vocos_coqui.command_line import main; main()",
    "tts": "from TTS.bin.synthesize import main; main()",
}


@pytest.fixture
def workplace(espeak, tmp_path, monkeypatch):
    """Returns a folder with a TTS model and a vocoder for it, under the README's names."""
    (tmp_path / "my-tts").symlink_to(ROOT / "recipes" / "tts" / "models" / "coqui")
    export(Vocos.from_pretrained("vocos-mel-22khz-small"), tmp_path / "my-vocoder", tts=tmp_path / "my-tts")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_snippets():
    """The patterns above find all snippets."""
    assert (len(PYTHON), len(SHELL)) == (5, 3)
    assert README.count("```") == 2 * 9


@pytest.mark.parametrize(
    "snippet", PYTHON, ids=lambda snippet: f"line-{README[: README.index(snippet)].count(chr(10))}"
)
def test_python(snippet, workplace, assert_says):
    """Each Python snippet runs by itself; a recogniser reads back what it says."""
    exec(compile(snippet, "README.md", "exec"), {})  # noqa: S102
    if "hello.wav" in snippet:
        assert_says(Path("hello.wav"), SENTENCE)


def test_shell(make_environment, workplace, assert_says):
    """The shell snippets run in order, in a new environment, and speak; the server has its own test."""
    environment = make_environment()
    for name, code in SCRIPTS.items():
        script = environment.python.with_name(name)
        script.write_text(f"#!{environment.python}\n{code}\n")
        script.chmod(0o755)
    variables = environment.variables(PATH=f"{environment.python.parent}{os.pathsep}{os.environ['PATH']}")
    shutil.rmtree("my-vocoder")
    file = environment.site_packages / FILE
    for snippet, enabled in ((SHELL[0], True), (SHELL[2], False)):
        command = [shutil.which("bash"), "-e", "-c", snippet]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        assert "Vocoder model: vocos" in done.stdout
        assert_says(Path("hello.wav"), SENTENCE)
        assert file.exists() is enabled
        Path("hello.wav").unlink()


def test_server(enabled, ask_server, workplace, assert_says):
    """The server runs with the README's options, except for the port."""
    line = SHELL[1].replace("\\\n", "").replace("my-", f"{workplace}/my-")
    command, *options = shlex.split(line)
    assert command == "tts-server"
    del options[options.index("--port") : options.index("--port") + 2]
    (workplace / "answer.wav").write_bytes(ask_server(enabled, options, SENTENCE, workplace / "log.txt"))
    assert soundfile.info("answer.wav").samplerate == 22050
    assert_says(Path("answer.wav"), SENTENCE)
    assert "Vocoder model: vocos" in (workplace / "log.txt").read_text()
