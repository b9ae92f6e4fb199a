"""Makes a folder that SpeechBrain's inference loads out of a training's checkpoint: weights in half precision, a card.

    python recipes/tts/speechbrain/export.py RUN MODEL --corpus CORPUS

``MODEL`` holds ``hyperparams.yaml``, ``model.ckpt``, ``custom.py`` and ``phonemes.py``, and no paths of the machine.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from vocos_speechbrain.hyperparams import read_hyperparams
from vocos_speechbrain.mel import ARGUMENTS

from vocos_plugins.storage.bounded_yaml import load_yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cards import describe_model
from layout import write_text
from weights import count_parameters, halve, share_positions, write_weights

RECIPE = Path(__file__).resolve().parent
MODEL = "model: !new:speechbrain.lobes.models.FastSpeech2.FastSpeech2\n"
LOADING = """modules:
  model: !ref <model>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
  loadables:
    model: !ref <model>
"""
SCRIPT = "recipes/tts/speechbrain/train.py recipes/tts/speechbrain/fastspeech2.yaml"
COMMAND = f"python {SCRIPT} --corpus CORPUS --output_folder RUN"
USE = """```python
from speechbrain.inference.interfaces import foreign_class
from speechbrain.inference.vocoders import HIFIGAN

fastspeech2 = foreign_class(source="MODEL")
vocoder = HIFIGAN.from_hparams(source="vocos")  # by `vocos export speechbrain vocos`
mel, *_ = fastspeech2.encode_text(["Mary had a little lamb."])
waveform = vocoder.decode_batch(mel)
```

`foreign_class` runs the model's `custom.py`. SpeechBrain's own class `FastSpeech2` can't load the model: it fetches a
network for its phonemes, where this one asks espeak-ng."""


def main() -> None:
    # Not above: `describe` needs no SpeechBrain, whose lazy modules disturb programs that look at all modules.
    from speechbrain.utils.checkpoints import Checkpointer  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the training's output_folder")
    parser.add_argument("model", type=Path, help="folder to write")
    parser.add_argument("--corpus", type=Path, required=True, help="what it was trained on; the card quotes its README")
    parser.add_argument("--newest", action="store_true", help="the newest checkpoint, even where there is a best one")
    arguments = parser.parse_args()
    checkpoints = Checkpointer(arguments.run / "save")
    best = None if arguments.newest else checkpoints.find_checkpoint(min_key="loss")
    checkpoint = best or checkpoints.find_checkpoint()
    if checkpoint is None:
        raise SystemExit(f"{arguments.run / 'save'} holds no checkpoint")
    write(arguments.run, arguments.model, arguments.corpus, checkpoint)


def write(run: Path, model: Path, corpus: Path, checkpoint: Any) -> None:
    """Writes the model's folder from a checkpoint of SpeechBrain."""
    weights = torch.load(checkpoint.paramfiles["model"], map_location="cpu", weights_only=True)
    state = load_yaml(checkpoint.paramfiles["brain"].read_text(encoding="utf-8"))
    values = read_training(run / "hyperparams.yaml")
    size = f"{count_parameters(weights) / 1e6:.1f} M parameters"
    facts = {
        "model": f"SpeechBrain's FastSpeech2, {size}, on espeak-ng's phonemes",
        "steps": f"{state['optimizer_step']}, of at most {values['max_batch_frames']} frames",
        "command": f"`{COMMAND}`",
    }
    card = describe_model("SpeechBrain: FastSpeech2", facts, USE, corpus)
    model.mkdir(parents=True, exist_ok=True)
    write_weights(model / "model.ckpt", share_positions(halve(weights)))
    write_text(model / "hyperparams.yaml", describe(values))
    for path in (RECIPE / "custom.py", RECIPE.parent / "phonemes.py"):
        shutil.copyfile(path, model / path.name)
    write_text(model / "README.md", card)
    print(f"{model}: step {state['optimizer_step']}")


def read_training(path: Path) -> dict[str, Any]:
    """Reads a training's hyperparameters; nothing in them is run.

    Raises:
        FileNotFoundError: they aren't there.
    """
    values = read_hyperparams(path)
    if values is None:
        raise FileNotFoundError(f"{path}: expected the hyperparameters of a training of SpeechBrain")
    return values


def describe(values: Mapping[str, Any]) -> str:
    """Returns the part of a training's hyperparameters that inference needs, and the mel by the recipes' names."""
    arguments = values["mel_spectrogram"].keywords
    mel = {name: arguments[argument] for name, argument in ARGUMENTS.items()}
    kept = yaml.safe_dump({"symbols": values["symbols"], **mel}, allow_unicode=True, sort_keys=False, width=1000)
    model = yaml.safe_dump(dict(values["model"].arguments), sort_keys=False).replace("\n", "\n  ").rstrip()
    return f"{kept}{MODEL}  {model}\n{LOADING}"


if __name__ == "__main__":
    main()
