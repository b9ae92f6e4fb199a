"""Makes a folder that Coqui TTS loads out of a training's checkpoint: weights in half precision, configuration, card.

    python recipes/tts/coqui/export.py RUN MODEL --corpus CORPUS
    tts --text "Hello there." --out_path hello.wav --model_path MODEL/model.pth --config_path MODEL/config.json

Neither the optimizer's state nor paths of the machine are in it.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vocos_plugins.storage.atomic import atomic_write

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cards import describe_model
from layout import write_text

# What the trainer writes of the machine; a model that speaks needs none of it.
EMPTIED = {
    "output_path": "",
    "restore_path": None,
    "phoneme_cache_path": None,
    "f0_cache_path": None,
    "energy_cache_path": None,
    "datasets": [],
    "test_sentences": [],
    "github_branch": None,
}
# The table of positions is a fifth of the file, and on this grid compresses to half; the network adds it to values of
# about 14.
POSITIONS, GRID = "pos_encoder.pe", 256
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


def halve(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights in half precision, and the table of positions rounded."""
    positions = {name: (value * GRID).round() / GRID for name, value in weights.items() if name == POSITIONS}
    return {name: value.half() for name, value in {**weights, **positions}.items()}


def write_weights(path: Path, state: dict[str, Any]) -> None:
    """Writes what ``torch.load`` reads, compressed."""
    plain = io.BytesIO()
    torch.save(state, plain)
    with (
        zipfile.ZipFile(plain) as source,
        atomic_write(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the run's folder, with config.json")
    parser.add_argument("model", type=Path, help="folder to write")
    parser.add_argument("--corpus", type=Path, required=True, help="what it was trained on; the card quotes its README")
    parser.add_argument("--newest", action="store_true", help="the newest checkpoint, even where there is a best one")
    arguments = parser.parse_args()
    path = find_checkpoint(arguments.run, newest=arguments.newest)
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    weights, step = halve(checkpoint["model"]), checkpoint["step"]
    n_parameters = sum(value.numel() for name, value in weights.items() if name != POSITIONS)
    config = json.loads((arguments.run / "config.json").read_text(encoding="utf-8"))
    facts = {
        "model": f"Coqui TTS's {config['model']}, {n_parameters / 1e6:.1f} M parameters, on espeak-ng's phonemes",
        "steps": f"{step}, of {config['batch_size']} sentences",
        "command": "`python recipes/tts/coqui/train.py --config_path recipes/tts/coqui/fastspeech2.json --corpus CORPUS`",
    }
    card = describe_model("Coqui TTS: FastSpeech2", facts, USE, arguments.corpus)
    arguments.model.mkdir(parents=True, exist_ok=True)
    write_weights(arguments.model / "model.pth", {"model": weights, "step": step})
    write_text(arguments.model / "config.json", json.dumps({**config, **EMPTIED}, indent=2, ensure_ascii=False) + "\n")
    write_text(arguments.model / "README.md", card)
    print(f"{arguments.model}: {path.name}, step {step}")


if __name__ == "__main__":
    main()
