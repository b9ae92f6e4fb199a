"""Fixtures: distributions that contain plugins, and fresh processes that see them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def write_distribution() -> Callable[[Path, str, Mapping[str, str]], None]:
    """Writes a distribution into a folder as pip installs it; plugins are a mapping from names to their code."""

    def write(folder: Path, name: str, plugins: Mapping[str, str]) -> None:
        info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nProvides-Extra: song\n")
        lines = ["[vocos_plugins]"]
        for plugin, code in plugins.items():
            module = f"{name}_{plugin}".replace("-", "_")
            (folder / f"{module}.py").write_text(code)
            lines.append(f"{plugin} = {module}")
        (info / "entry_points.txt").write_text("\n".join(lines))

    return write


@pytest.fixture(scope="session")
def run_python() -> Callable[..., dict[str, Any]]:
    """Runs code that sets ``result`` in a fresh process; returns the result and the ``warnings``.

    Folders go to the front of its path; ``disable`` is VOCOS_PLUGINS_DISABLE.
    """

    def run(code: str, *folders: Path, disable: str = "") -> dict[str, Any]:
        whole = (
            "import json, warnings\n"
            "with warnings.catch_warnings(record=True) as caught:\n"
            "    warnings.simplefilter('always')\n"
            f"    exec({code!r})\n"
            "print(json.dumps({'result': result, 'warnings': [str(each.message) for each in caught]}))\n"
        )
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, folders)), VOCOS_PLUGINS_DISABLE=disable)
        done = subprocess.run(
            [sys.executable, "-c", whole], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
