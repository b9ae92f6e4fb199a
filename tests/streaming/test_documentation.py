"""docs/streaming.md: its examples run, and what they say comes out."""

from __future__ import annotations

import re

import pytest
import torch

from helpers.paths import ROOT
from vocos_plugins import Vocos
from vocos_plugins.streaming import LOW_LATENCY_FRAMES

PAGE = (ROOT / "docs" / "streaming.md").read_text()
TOOLKITS = PAGE[PAGE.index("## In the toolkits") :]  # tests/adapters/test_streaming.py runs it with each of them
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.replace(TOOLKITS, ""), flags=re.DOTALL)

# The passes of the refinement magnify rounding where a magnitude is nearly nothing.
WORST = 2e-4


def test_examples_run() -> None:
    """In their order, as one session; the first gives the whole decode."""
    names: dict[str, object] = {}
    torch.manual_seed(0)
    for number, example in enumerate(EXAMPLES):
        exec(compile(example, "streaming.md", "exec"), names)  # noqa: S102
        if number == 0:
            vocos, audio, mel = names["vocos"], names["audio"], names["mel"]
            with torch.no_grad():
                whole = vocos.head(vocos.backbone(mel), mel)
            error, peak = (audio - whole).abs(), float(whole.abs().max())
            assert float(error.square().mean().sqrt()) < 1e-5 * peak
            assert float(error.max()) < WORST * peak
    assert len(EXAMPLES) >= 5


def test_figures_of_the_bundled_model() -> None:
    """The numbers that the page names are those that the layers give."""
    vocos = Vocos.from_pretrained("vocos-mel-22khz-small")
    full, low = vocos.streaming(), vocos.streaming(low_latency=True)
    assert f"# {full.look_ahead} frames, {full.latency:.0f} ms" in PAGE
    assert f"low_latency=True)  # {LOW_LATENCY_FRAMES} frames, {low.latency:.0f} ms" in PAGE
    assert low.look_ahead == LOW_LATENCY_FRAMES
    assert f"look_ahead=4)  # {vocos.streaming(look_ahead=4).latency:.0f} ms" in PAGE


@pytest.mark.parametrize("script", ["streaming.py", "streaming_quality.py"])
def test_tables_name_scripts_that_are_there(script) -> None:
    """Each table says what prints it."""
    assert f"benchmarks/{script}" in PAGE
    assert (ROOT / "benchmarks" / script).exists()
