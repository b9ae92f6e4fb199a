"""What is left of a training for those who only speak."""

from __future__ import annotations

import json

import pytest
import torch


def test_coqui_models_hold_no_paths_and_half_the_bytes(recipe_module, tmp_path, monkeypatch):
    run, model = tmp_path / "run", tmp_path / "model"
    run.mkdir()
    for step in (9, 10):
        state = {"model": {"w": torch.full((4,), float(step))}, "optimizer": {"m": torch.zeros(4)}, "step": step}
        torch.save(state, run / f"checkpoint_{step}.pth")
    config = {"output_path": "/home/me", "datasets": [{"path": "/home/me"}], "f0_cache_path": "/home/me", "lr": 1}
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["export.py", str(run), str(model)])
    recipe_module("export").main()
    saved = torch.load(model / "model.pth", weights_only=True)
    assert set(saved) == {"model", "step"}
    assert torch.equal(saved["model"]["w"], torch.full((4,), 10.0, dtype=torch.float16))
    text = (model / "config.json").read_text(encoding="utf-8")
    assert "/home" not in text
    assert json.loads(text)["lr"] == 1


def test_a_run_without_checkpoints_is_refused(recipe_module, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["export.py", str(tmp_path), str(tmp_path / "model")])
    with pytest.raises(SystemExit, match="neither best_model"):
        recipe_module("export").main()
