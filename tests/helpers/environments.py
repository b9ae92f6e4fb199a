"""New virtual environments that see this one's packages, and fresh processes in them."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import venv
from pathlib import Path

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


def make_environment(folder: Path) -> Environment:
    """Makes an `Environment` in an empty folder."""
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    python = folder / "bin" / "python"
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site_packages = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    parent = site_packages / "_parent.pth"
    parent.write_text("\n".join(each for each in sys.path if Path(each).is_absolute() and Path(each).is_dir()))
    home = folder / "home"
    home.mkdir()
    return Environment(python, site_packages, parent, home)
