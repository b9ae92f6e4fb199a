"""Tables of the bundled model's quality, on recordings that don't ship, say of which weights they are."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAME = "vocos-mel-22khz-small"
WEIGHTS = ROOT / "vocos_plugins" / "checkpoints" / NAME / "model.safetensors"
MARK = re.compile(rf"^<!-- measured with {NAME} (\w+) -->$", re.MULTILINE)
MEASURED = ["README.md", *(f"docs/{name}.md" for name in ("alignment", "checkpoints", "export", "performance"))]
# Figures that nobody has taken again since, and where their page says so.
EARLIER = {
    "docs/streaming.md": "of the first bundled model, which had no refinement",
}


@pytest.mark.parametrize("page", MEASURED)
def test_measured_with_the_weights_that_ship(page) -> None:
    """After new ones, the command beside each table has to be run again, or the page to say that it wasn't."""
    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert MARK.findall((ROOT / page).read_text()) == [digest[:12]]


@pytest.mark.parametrize(("page", "words"), EARLIER.items())
def test_earlier_figures_say_so(page, words) -> None:
    """In the text before the table."""
    assert words in " ".join((ROOT / page).read_text().split())
