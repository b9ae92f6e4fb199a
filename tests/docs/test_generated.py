"""Generated pages and pictures are up to date; `make pages` writes them again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from helpers.paths import ROOT

pytestmark = pytest.mark.xdist_group("pictures")  # so that shared fixtures are built once

PICTURES = ROOT / "docs" / "pictures"
LICENCES = (ROOT / "docs" / "licences.md").read_text()
# Share of a picture's range: rounding changes single colours; another model or convention changes whole areas.
SAME_PICTURE = 0.02


@pytest.mark.parametrize("script", ["cli_page", "licences_page", "evaluation_page"])
def test_page(script) -> None:
    """A generated page is up to date; docs/alignment-pairs.md is tested with the pairs."""
    command = [sys.executable, str(ROOT / "scripts" / f"{script}.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_licences_are_complete() -> None:
    """The page lists every bundled checkpoint with all of its data, and every clip."""
    configs = list((ROOT / "vocos_plugins" / "storage" / "checkpoints").glob("*/config.yaml"))
    assert len(configs) >= 2
    for path in configs:
        assert f"## Bundled: {path.parent.name}\n" in LICENCES
        for data in yaml.safe_load(path.read_text())["provenance"]["data"]:
            assert f"| {data['source']} |" in LICENCES
            assert data["licence"] in LICENCES
    clips = list((ROOT / "vocos_plugins" / "mel" / "clips").glob("*.flac"))
    assert len(clips) >= 3
    for clip in clips:
        assert f"| `{clip.name}` |" in LICENCES


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """A folder with all pictures, newly drawn."""
    folder = tmp_path_factory.mktemp("pictures")
    command = [sys.executable, str(ROOT / "scripts" / "pictures.py"), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_pictures_are_those_that_the_script_draws(drawn) -> None:
    """No picture is missing or left over, and each is small."""
    assert {path.name for path in PICTURES.iterdir()} == {path.name for path in drawn.iterdir()}
    assert all(path.stat().st_size < 200_000 for path in PICTURES.iterdir())


def test_spectrograms_are_up_to_date(drawn) -> None:
    """Stored spectrograms equal new ones, except for the rounding of another CPU."""
    pictures = list(PICTURES.glob("*.png"))
    assert len(pictures) == 3
    for path in pictures:
        stored, now = (np.asarray(Image.open(file).convert("L"), float) for file in (path, drawn / path.name))
        assert stored.shape == now.shape
        assert np.abs(stored - now).mean() / 255 < SAME_PICTURE, path.name


def test_drawings_are_up_to_date(drawn) -> None:
    """Drawings without computed content are identical to the letter."""
    for name in ("framing.svg", "checkpoint.svg"):
        assert (PICTURES / name).read_text() == (drawn / name).read_text()
