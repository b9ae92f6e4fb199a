"""New environments, fresh processes in them, and Coqui TTS's commands."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.parse
import urllib.request
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

TIMEOUT_S = 300  # per process, which takes ten seconds on an idle machine


@dataclasses.dataclass
class Environment:
    """A virtual environment that sees this one's packages, but runs none of its ``.pth`` files.

    Attributes:
        python: its interpreter.
        site_packages: its own.
        parent: the file that shows it this one's packages.
        home: folder for the files of its processes.
    """

    python: Path
    site_packages: Path
    parent: Path
    home: Path

    def variables(self, **variables: str) -> dict[str, str]:
        """Returns a process's variables: one thread, no user settings, the precision of this process."""
        ours = [name for name in os.environ if name.startswith("VOCOS_") and name != "VOCOS_PLUGINS_PRECISION"]
        kept = {name: value for name, value in os.environ.items() if name not in ours}
        return {**kept, "OMP_NUM_THREADS": "1", "HOME": str(self.home), "TTS_HOME": str(self.home), **variables}

    def run(self, *arguments: str | Path, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs Python with arguments and environment variables."""
        done = subprocess.run(
            [self.python, *map(str, arguments)],
            env=self.variables(**variables),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done


@pytest.fixture(scope="session")
def make_environment(tmp_path_factory) -> Callable[[], Environment]:
    """Returns a function that makes an `Environment`."""

    def make() -> Environment:
        folder = tmp_path_factory.mktemp("environment")
        venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
        python = folder / "bin" / "python"
        ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        site_packages = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
        parent = site_packages / "_parent.pth"
        parent.write_text("\n".join(each for each in sys.path if Path(each).is_absolute() and Path(each).is_dir()))
        home = folder / "home"
        home.mkdir()
        return Environment(python, site_packages, parent, home)

    return make


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
