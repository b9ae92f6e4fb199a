"""What the wheel holds, and what importing the package costs and pulls in."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile

import pytest

import vocos_plugins
from helpers.paths import ROOT

PACKAGES = {"vocos_plugins", "vocos_speechbrain", "vocos_nemo", "vocos_coqui", "vocos_bark", "vocos_reference"}
MAX_WHEEL_BYTES = 20_000_000
MAX_IMPORT_S = 0.3  # over `import torch`, the project's own promise
HEAVY = ("torchaudio", "encodec", "lightning", "librosa", "speechbrain", "nemo", "TTS", "transformers", "scipy")


def in_fresh_process(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from this checkout as CI builds it."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_wheel_has_the_six_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """No top-level ``tests``, ``recipes`` or ``adapters`` gets into anybody's site-packages."""
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


def test_every_adapter_is_packaged() -> None:
    """A new folder under adapters/ can't be forgotten."""
    assert {path.name for path in (ROOT / "adapters").iterdir() if path.is_dir()} == PACKAGES - {"vocos_plugins"}


def test_wheel_holds_checkpoint_clips_and_types(wheel: zipfile.ZipFile) -> None:
    """The main job works from the wheel alone, and type checkers see the annotations."""
    names = set(wheel.namelist())
    assert "vocos_plugins/py.typed" in names
    assert "vocos_plugins/storage/checkpoints/vocos-mel-22khz-small/model.safetensors" in names
    assert any(name.startswith("vocos_plugins/mel/clips/") and name.endswith(".flac") for name in names)
    assert sum(info.compress_size for info in wheel.infolist()) < MAX_WHEEL_BYTES


def test_version_is_the_distribution_s(wheel: zipfile.ZipFile) -> None:
    """One version, in one place."""
    assert any(f"vocos_plugins-{vocos_plugins.__version__}.dist-info" in name for name in wheel.namelist())


def test_import_pulls_in_nothing_heavy() -> None:
    """``import vocos_plugins`` needs torch and numpy, and loads no toolkit, torchaudio or metric."""
    loaded = json.loads(
        in_fresh_process(
            "import json, sys, vocos_plugins; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
        )
    )
    assert "torch" in loaded
    assert not set(HEAVY) & set(loaded)


def test_import_is_cheap() -> None:
    """It costs at most 0.3 s more than ``import torch``: the least of three runs, as others use the machine."""
    code = "import time, torch; t = time.perf_counter(); import vocos_plugins; print(time.perf_counter() - t)"
    assert min(float(in_fresh_process(code)) for _ in range(3)) < MAX_IMPORT_S


def test_wheel_import_of_adapters_needs_no_toolkit() -> None:
    """The adapter packages import where none of the toolkits is installed."""
    names = sorted(PACKAGES - {"vocos_plugins"})
    code = f"import sys\nfor n in {HEAVY!r}: sys.modules[n] = None\nimport {', '.join(names)}"
    in_fresh_process(code)
