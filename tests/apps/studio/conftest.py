"""Fixtures: the studio in a separate process, with folders that tests can inspect, and a headless browser."""

from __future__ import annotations

import os
import queue
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from vocos_plugins import MelSpectrogram
from vocos_plugins.inference.resampling import resample
from vocos_plugins.mel.speech import CLIPS
from vocos_plugins.plugins import mel_conventions

MAX_UPLOAD_MB = 1
PATIENCE_S = 180
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


# A sitecustomize.py, which Python imports first; it logs all connections and name look-ups of the process.
WATCH = """import sys

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        with open({log!r}, "a") as file:
            print(event, *arguments[-1:] if event == "socket.connect" else arguments[:2], file=file)

sys.addaudithook(note)
"""


@dataclass(frozen=True)
class Studio:
    """A running studio: its address, process, temporary folder, and the folder for any other files it might write.

    ``connections`` is a file with a line for each connection that it opened and each name that it looked up.
    """

    url: str
    process: subprocess.Popen[str]
    temporary: Path
    elsewhere: Path
    connections: Path


@pytest.fixture(scope="session")
def start_studio() -> Callable[..., Iterator[Studio]]:
    """Starts ``vocos studio`` as a user does, and stops it at the end of the block if it still runs."""
    pytest.importorskip("gradio")
    command = shutil.which("vocos", path=str(Path(sys.executable).parent))
    assert command is not None

    @contextmanager
    def start(folder: Path) -> Iterator[Studio]:
        temporary, elsewhere = folder / "temporary", folder / "elsewhere"
        watch, connections = folder / "watch", folder / "connections"
        for each in (temporary, elsewhere, watch):
            each.mkdir()
        connections.touch()
        (watch / "sitecustomize.py").write_text(WATCH.format(log=str(connections)))
        environment = {
            **os.environ,
            "TMPDIR": str(temporary),
            "HOME": str(elsewhere),
            "XDG_CACHE_HOME": str(elsewhere),
            "PYTHONPATH": str(watch),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with (folder / "stderr").open("w") as errors:
            process = subprocess.Popen(
                [command, "studio", "--port", "0", "--max-upload-mb", str(MAX_UPLOAD_MB)],
                cwd=elsewhere,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            line = _first_line(process)
            address = re.search(r"http://127\.0\.0\.1:\d+/", line)
            assert address is not None, line + (folder / "stderr").read_text()
            yield Studio(
                url=address[0],
                process=process,
                temporary=temporary,
                elsewhere=elsewhere,
                connections=connections,
            )
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE_S)

    return start


@pytest.fixture(scope="session")
def studio(start_studio, tmp_path_factory) -> Iterator[Studio]:
    """The studio that most tests share."""
    with start_studio(tmp_path_factory.mktemp("studio")) as running:
        yield running


def _first_line(process: subprocess.Popen[str]) -> str:
    """Returns the first line that it prints; raises an error if that takes too long."""
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: lines.put(process.stdout.readline()), daemon=True).start()
    return lines.get(timeout=PATIENCE_S)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium. CI must have one; elsewhere these tests are skipped without it."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        executable = None
    if executable is None:
        reason = "needs a browser (Debian: apt-get install chromium) and pip install playwright"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def speech(request) -> np.ndarray:
    """Bundled speech, ``(N,)`` at 16 kHz, of the length that the test module sets."""
    samples, rate = soundfile.read(CLIPS[0].path, dtype="float32")
    return samples[: int(request.module.SECONDS * rate)]


@pytest.fixture
def mel_file(request, speech, tmp_path) -> Callable[[str], Path]:
    """Writes the speech as a mel of a convention."""

    def write(name: str) -> Path:
        convention = mel_conventions()[name]
        rate = convention.sample_rate
        audio = resample(torch.from_numpy(speech)[None], 16000, rate, int(request.module.SECONDS * rate))
        np.save(tmp_path / f"{name}.npy", MelSpectrogram(convention)(audio)[0].numpy())
        return tmp_path / f"{name}.npy"

    return write
