"""docs/start/nemo.md, walked by a stranger, and where recipes/nemo/README.md has led another one.

The FastPitch has random weights.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import soundfile
from vocos_nemo.export import export

pytestmark = pytest.mark.xdist_group("nemo")

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "start" / "nemo.md"
RECIPE = ROOT / "recipes" / "nemo" / "README.md"


@pytest.fixture
def workplace(fastpitch, tmp_path, monkeypatch) -> Path:
    """A folder with the FastPitch that the pages read."""
    fastpitch.save_to(str(tmp_path / "fastpitch.nemo"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_page(markdown, vocoder, workplace) -> None:
    """It ends with speech in a file, by a VocosModel: 256 samples a frame."""
    names = markdown.run(PAGE, workplace)
    assert type(names["vocoder"]) is vocoder.VocosModel
    assert soundfile.info("lamb.wav").frames == names["spectrogram"].shape[-1] * 256


def test_the_recipe_s_page(markdown, bundled, workplace) -> None:
    """Its Python, where a training has left a vocoder; tests/recipes/nemo trains."""
    (block,) = [each for each in markdown.blocks(RECIPE.read_text()) if each.language == "python"]
    (run,) = re.findall(r"^run = \"(.*)\"", block.text, flags=re.MULTILINE)
    (workplace / run).parent.mkdir(parents=True)
    export(bundled, workplace / f"{run}.nemo")
    names: dict[str, object] = {}
    markdown.run_python(block, RECIPE.name, names)
    assert soundfile.info("lamb.wav").frames == names["spec"].shape[-1] * 256
