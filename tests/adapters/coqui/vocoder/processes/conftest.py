"""An environment with Coqui TTS activated, and Coqui TTS's commands."""

from __future__ import annotations

import socket
import subprocess
import sysconfig
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.environments import TIMEOUT_S, Environment


@pytest.fixture(scope="session")
def enabled(make_environment) -> Environment:
    """Returns an environment whose own Python has called `enable`."""
    environment = make_environment()
    environment.run("-c", "from vocos_coqui.activation import enable; enable()")
    return environment


@pytest.fixture(scope="session")
def tts_script() -> Callable[[str], Path]:
    """Returns a function that finds a console script of Coqui TTS: ``tts`` or ``tts-server``."""
    return lambda name: Path(sysconfig.get_path("scripts")) / name


@pytest.fixture(scope="session")
def ask_server(tts_script) -> Callable[[Environment, list[str], str, Path], bytes]:
    """Starts ``tts-server`` with options in an environment, requests a text, ends it, and returns the WAV file."""
    try:
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True).close()
    except (OSError, ValueError):
        pytest.skip("tts-server listens on an address of IPv6, which this machine hasn't")

    def ask(environment: Environment, options: list[str], text: str, log: Path) -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        command = [environment.python, tts_script("tts-server"), "--port", str(port), *options]
        url = f"http://127.0.0.1:{port}/api/tts?{urllib.parse.urlencode({'text': text})}"
        with log.open("w") as output:
            place = {"env": environment.variables(), "cwd": environment.home}
            server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **place)
        try:
            return _answer(server, url)
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()

    return ask


def _answer(server: subprocess.Popen[bytes], url: str) -> bytes:
    """Returns the answer of a server that may still be starting."""
    end = time.monotonic() + TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - of ours
                return answer.read()
        except urllib.error.HTTPError:
            raise
        except OSError:
            if server.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.5)
