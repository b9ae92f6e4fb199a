"""Mutated exports: the runtimes' own errors come out in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.mutations import attack
from vocos_plugins.export import export_onnx, export_openvino, load_session

SECONDS = 4.0


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_mutated_files(make_model, noise, tmp_path: Path, suffix: str) -> None:
    """Loading and running them; a crash of a runtime would end the test process."""
    vocos, mel = make_model("mel", "convnext", "istft", "center"), noise(1, 12, 8).numpy()
    path = tmp_path / f"vocos{suffix}"
    (export_onnx if suffix == ".onnx" else export_openvino)(vocos, path)
    attack([path], lambda _: load_session(path)(mel), SECONDS)
