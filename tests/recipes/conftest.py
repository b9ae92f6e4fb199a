"""Runs the recipes' scripts in their own processes, and decodes their results in the other toolkits."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.inference.frames import decode_frames

SCRIPT = Path(__file__).parent / "export_and_speak.py"
TIMEOUT_S = 300  # for a process, which takes at most twenty seconds on an idle machine
WALK_TIMEOUT_S = 900  # for a page, which takes a minute and a half on an idle machine
# Float32 in two orders of operations, relative to full scale.
ROUNDING = 1e-5
QUIET = 1e-3  # -60 dB of full scale


@pytest.fixture(scope="session")
def start_process() -> Callable[..., subprocess.Popen[str]]:
    """Starts Python with some arguments, one thread and no network, in its own process group."""

    def start(*arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )

    return start


@pytest.fixture(scope="session")
def finish_process() -> Callable[..., str]:
    """Waits for a process to succeed, or to fail if expected; returns its output. A hanging process is killed."""

    def finish(process: subprocess.Popen[str], *, fails: bool = False) -> str:
        try:
            output = process.communicate(timeout=TIMEOUT_S)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert (process.returncode != 0) is fails, output[-8000:]
        return output

    return finish


@pytest.fixture
def assert_same_elsewhere(tmp_path, start_process, finish_process) -> Callable[[Path, Path, Sequence[str]], None]:
    """Exports a model by the command; each toolkit must decode its own mel to the same audio as the model itself."""

    def check(model: Path, recording: Path, toolkits: Sequence[str]) -> None:
        samples, rate = soundfile.read(recording, dtype="float32")
        vocos, expected, processes = Vocos.from_pretrained(model), {}, {}
        for toolkit in toolkits:
            convention = importlib.import_module(f"vocos_{toolkit}.mel").DEFAULT
            assert convention.sample_rate == rate
            mel = MelSpectrogram(convention)(torch.from_numpy(samples)[None])
            np.save(tmp_path / f"{toolkit}.npy", mel.numpy())
            expected[toolkit] = decode_frames(vocos, mel, source=convention)
            processes[toolkit] = start_process(SCRIPT, toolkit, model, tmp_path / toolkit)
        for toolkit, process in processes.items():
            finish_process(process)
            found = torch.from_numpy(np.load(tmp_path / f"{toolkit}-audio.npy"))
            torch.testing.assert_close(found, expected[toolkit], rtol=0, atol=ROUNDING)

    return check


@pytest.fixture
def lj_speech(tmp_path, make_signal) -> Path:
    """``LJSpeech-1.1``, unpacked in the clone's folder, with eight pieces of the shipped clips, 1 s each."""
    folder = tmp_path / "LJSpeech-1.1"
    (folder / "wavs").mkdir(parents=True)
    clips = [make_signal(name, 22050) for name in ("arctic-1", "arctic-2", "austen-1", "austen-2")]
    pieces = [clip[start : start + 22050] for clip in clips for start in (0, 22050)]
    names = [f"LJ001-{number:04}" for number in range(1, len(pieces) + 1)]
    for name, piece in zip(names, pieces, strict=True):
        soundfile.write(folder / "wavs" / f"{name}.wav", piece, 22050)
    (folder / "metadata.csv").write_text("".join(f"{name}|Hello there.|Hello there.\n" for name in names))
    return folder


@pytest.fixture
def walk(markdown, tmp_path, make_signal) -> Callable[..., str]:
    """Runs a recipe's README like its reader: from top to bottom, in one shell, in the clone's folder.

    Only two things differ. ``functions`` are shell functions that run before the page's own lines, and add options that
    shorten commands which would take hours. And nothing is installed. The folder has the files that a reader brings
    along: a recording to vocode, and a held-out one for comparison.
    """

    def run(readme: Path, functions: str, **variables: str) -> str:
        recipe = tmp_path / "recipes" / readme.parent.name
        ignored = shutil.ignore_patterns("__pycache__", "runs", "results")
        shutil.copytree(readme.parent, recipe, ignore=ignored, dirs_exist_ok=True)
        for folder in (tmp_path, recipe):
            (folder / "held-out").mkdir()
            for file in ("in.wav", "held-out/LJ001-0001.wav"):
                soundfile.write(folder / file, make_signal("arctic-2", 22050), 22050)
        script = ["set -x", functions, "pip() { :; }"]
        for block in markdown.blocks(readme.read_text()):
            if block.why is None and block.language == "sh":
                script.append(block.text)
            elif block.why is None and block.language == "python":
                script.append(f"python - <<'END'\n{block.text}END")
        status, output = markdown.run_shell("\n".join(script), tmp_path, variables, patience_s=WALK_TIMEOUT_S)
        assert status == 0, output[-8000:]
        return output

    return run


@pytest.fixture
def is_sound() -> Callable[[Path], bool]:
    """Returns whether an audio file is longer than a tenth of a second, finite and not silent."""

    def check(path: Path) -> bool:
        samples, rate = soundfile.read(path)
        return len(samples) > rate / 10 and bool(np.isfinite(samples).all()) and samples.std() > QUIET

    return check
