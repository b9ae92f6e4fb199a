"""Pages and pictures that come from the code are those that the code makes now: `make pages` writes them anew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from helpers.paths import ROOT

pytestmark = pytest.mark.xdist_group("pictures")  # what the tests share is made once

PICTURES = ROOT / "docs" / "pictures"
LICENCES = (ROOT / "docs" / "licences.md").read_text()
# Of a picture's range: rounding moves single colours; another model or convention moves whole areas.
SAME_PICTURE = 0.02


@pytest.mark.parametrize("script", ["cli_page", "licences_page", "evaluation_page"])
def test_page(script) -> None:
    """Not out of date; docs/alignment-pairs.md has its test beside the pairs."""
    command = [sys.executable, str(ROOT / "scripts" / f"{script}.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_licences_are_complete() -> None:
    """Every bundled checkpoint with all its data, and every clip."""
    for path in (ROOT / "vocos_plugins" / "checkpoints").glob("*/config.yaml"):
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
    """A folder with all pictures, drawn now."""
    folder = tmp_path_factory.mktemp("pictures")
    command = [sys.executable, str(ROOT / "scripts" / "pictures.py"), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_pictures_are_those_that_the_script_draws(drawn) -> None:
    """None is missing or left over, and each is small."""
    assert {path.name for path in PICTURES.iterdir()} == {path.name for path in drawn.iterdir()}
    assert all(path.stat().st_size < 200_000 for path in PICTURES.iterdir())


def test_spectrograms_are_up_to_date(drawn) -> None:
    """But for the rounding of another processor."""
    pictures = list(PICTURES.glob("*.png"))
    assert len(pictures) == 3
    for path in pictures:
        stored, now = (np.asarray(Image.open(file).convert("L"), float) for file in (path, drawn / path.name))
        assert stored.shape == now.shape
        assert np.abs(stored - now).mean() / 255 < SAME_PICTURE, path.name


def test_drawings_are_up_to_date(drawn) -> None:
    """Those of which nothing is computed, to the letter."""
    for name in ("framing.svg", "checkpoint.svg"):
        assert (PICTURES / name).read_text() == (drawn / name).read_text()
