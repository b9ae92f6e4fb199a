"""Makes a folder that Coqui TTS loads out of a training's checkpoint: weights in 16 bits, configuration, card.

    python recipes/tts/coqui/export.py RUN MODEL --corpus CORPUS
    tts --text "Hello there." --out_path hello.wav --model_path MODEL/model.pth --config_path MODEL/config.json

Neither the optimizer's state nor paths of the machine are in it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cards import describe_model
from layout import write_text
from weights import count_parameters, write_weights

TITLES = {"fastspeech2": "FastSpeech2", "glow_tts": "GlowTTS"}
COMMAND = "python recipes/tts/coqui/train.py --config_path recipes/tts/coqui/{model}.json --corpus CORPUS"
LARGE = 10_000  # values of a matrix that is worth rounding
# What the trainer writes of the machine; a model that speaks needs none of it.
EMPTIED: dict[str, Any] = {
    "output_path": "",
    "restore_path": None,
    "phoneme_cache_path": None,
    "f0_cache_path": None,
    "energy_cache_path": None,
    "datasets": [],
    "test_sentences": [],
    "github_branch": None,
}
USE = """```sh
tts --text "Hello there." --out_path hello.wav --model_path model.pth --config_path config.json
```"""


def find_checkpoint(run: Path, *, newest: bool) -> Path:
    """The best checkpoint of a run if there is one and `newest` isn't asked for, else its newest."""
    found = sorted(run.glob("checkpoint_*.pth"), key=lambda path: int(path.stem.rpartition("_")[2]))
    best = run / "best_model.pth"
    if best.exists() and not (newest and found):
        return best
    if not found:
        raise SystemExit(f"{run} holds neither best_model.pth nor checkpoints")
    return found[-1]


def round_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The large matrices in bfloat16, to which training in mixed precision rounds them too; the rest as it is."""
    return {name: value.bfloat16() if value.numel() > LARGE else value for name, value in weights.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the run's folder, with config.json")
    parser.add_argument("model", type=Path, help="folder to write")
    parser.add_argument("--corpus", type=Path, required=True, help="what it was trained on; the card quotes its README")
    parser.add_argument("--newest", action="store_true", help="the newest checkpoint, even where there is a best one")
    arguments = parser.parse_args()
    path = find_checkpoint(arguments.run, newest=arguments.newest)
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    weights, step = round_weights(checkpoint["model"]), checkpoint["step"]
    config = json.loads((arguments.run / "config.json").read_text(encoding="utf-8"))
    title = TITLES.get(config["model"], config["model"])
    size = f"{count_parameters(weights) / 1e6:.1f} M parameters"
    facts = {
        "model": f"Coqui TTS's {title}, {size}, on espeak-ng's phonemes",
        "steps": f"{step}, of {config['batch_size']} sentences",
        "command": f"`{COMMAND.format(model=config['model'])}`",
    }
    card = describe_model(f"Coqui TTS: {title}", facts, USE, arguments.corpus)
    arguments.model.mkdir(parents=True, exist_ok=True)
    write_weights(arguments.model / "model.pth", {"model": weights, "step": step})
    write_text(arguments.model / "config.json", json.dumps({**config, **EMPTIED}, indent=2, ensure_ascii=False) + "\n")
    write_text(arguments.model / "README.md", card)
    print(f"{arguments.model}: {path.name}, step {step}")


if __name__ == "__main__":
    main()
