"""Makes the two files that Coqui TTS loads, ``model.pth`` and ``config.json``, out of a training's checkpoint.

    python recipes/tts/coqui/export.py RUN MODEL
    tts --text "Hello there." --out_path hello.wav --model_path MODEL/model.pth --config_path MODEL/config.json

Weights in half precision, no state of the optimizer, no paths of the machine.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

# What the trainer writes of the machine; a model that speaks needs none of it.
EMPTIED = {"output_path": "", "phoneme_cache_path": None, "f0_cache_path": None, "energy_cache_path": None}


def find_checkpoint(run: Path) -> Path:
    """The best checkpoint of a run, else its newest."""
    found = sorted(run.glob("checkpoint_*.pth"), key=lambda path: int(path.stem.rpartition("_")[2]))
    best = run / "best_model.pth"
    if not best.exists() and not found:
        raise SystemExit(f"{run} holds neither best_model.pth nor checkpoints")
    return best if best.exists() else found[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the run's folder, with config.json")
    parser.add_argument("model", type=Path, help="folder to write")
    arguments = parser.parse_args()
    path = find_checkpoint(arguments.run)
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    weights = {name: value.half() for name, value in checkpoint["model"].items()}
    config = json.loads((arguments.run / "config.json").read_text(encoding="utf-8"))
    config |= {**EMPTIED, "datasets": [], "github_branch": None}
    arguments.model.mkdir(parents=True, exist_ok=True)
    torch.save({"model": weights, "step": checkpoint["step"]}, arguments.model / "model.pth")
    (arguments.model / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False), encoding="utf-8")
    print(f"{arguments.model}: {path.name}, step {checkpoint['step']}")


if __name__ == "__main__":
    main()
