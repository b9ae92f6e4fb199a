"""What is left of a training for those who only speak."""

from __future__ import annotations

import json

import pytest
import torch


def test_coqui_models_hold_no_paths_and_half_the_bytes(recipe_module, tmp_path, monkeypatch):
    """Matrices get 16 bits, the file is compressed, and the card quotes the corpus' own."""
    run, model, corpus = tmp_path / "run", tmp_path / "model", tmp_path / "corpus"
    run.mkdir()
    corpus.mkdir()
    (corpus / "README.md").write_text("# A corpus\n\n## Voice\n\nMine.\n", encoding="utf-8")
    for step in (9, 10):
        weights = {
            "w": torch.full((4, 1000), float(step)),
            "b": torch.full((4,), 0.1),
            "pos_encoder.pe": torch.ones(1, 9),
        }
        state = {"model": weights, "optimizer": {"m": torch.zeros(4)}, "step": step}
        torch.save(state, run / f"checkpoint_{step}.pth")
    config = {"model": "fastspeech2", "batch_size": 16, "restore_path": "/home/me/10"}
    config |= {"output_path": "/home/me", "datasets": [{"path": "/home/me"}], "f0_cache_path": "/home/me", "lr": 1}
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["export.py", str(run), str(model), "--corpus", str(corpus)])
    recipe_module("export").main()
    assert (model / "model.pth").stat().st_size < 4000
    saved = torch.load(model / "model.pth", weights_only=True)
    assert set(saved) == {"model", "step"}
    assert torch.equal(saved["model"]["w"], torch.full((4, 1000), 10.0, dtype=torch.bfloat16))
    assert torch.equal(saved["model"]["b"], torch.full((4,), 0.1))
    text = (model / "config.json").read_text(encoding="utf-8")
    assert "/home" not in text
    assert json.loads(text)["lr"] == 1
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "| steps | 10, of 16 sentences |" in card
    assert "0.0 M parameters" in card
    assert card.endswith("## A corpus\n\n### Voice\n\nMine.\n")


def test_a_run_without_checkpoints_is_refused(recipe_module, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["export.py", str(tmp_path), str(tmp_path / "model"), "--corpus", str(tmp_path)])
    with pytest.raises(SystemExit, match="neither best_model"):
        recipe_module("export").main()
