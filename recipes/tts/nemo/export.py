"""Makes the ``.nemo`` file that NeMo's ``FastPitchModel.restore_from`` loads out of a training's newest checkpoint.

    python recipes/tts/nemo/export.py RUN FOLDER/fastpitch.nemo --corpus CORPUS

Weights in half precision, which NeMo copies into its float32 model; no state of the optimizer, no paths of the machine.
FOLDER gets a README too, the model's card.
The file is a gzipped tar, as older versions of NeMo wrote them. RUN is the ``exp_manager.exp_dir`` of the training. The
dictionary is that of CORPUS now: ``prepare.py --words`` adds words to it without changing the model's symbols.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from omegaconf import open_dict

from vocos_plugins.storage.atomic import atomic_write

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cards import describe_model
from layout import write_text

COMMAND = "python recipes/tts/nemo/train.py corpus=CORPUS exp_manager.exp_dir=RUN"
USE = """```python
from nemo.collections.tts.models import FastPitchModel

fastpitch = FastPitchModel.restore_from("{file}", map_location="cpu").eval()
mel = fastpitch.generate_spectrogram(tokens=fastpitch.parse("Hello there."))  # (1, 80, T)
```"""
DATASET = {"_target_": "nemo.collections.tts.data.dataset.TTSDataset"}


def find_checkpoint(run: Path) -> Path:
    """The newest checkpoint of a run."""
    found = sorted(run.rglob("*-last.ckpt"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit(f"{run} holds no checkpoint *-last.ckpt: expected the exp_manager.exp_dir of a training")
    return found[-1]


def load(path: Path, corpus: Path) -> tuple[Any, int]:
    """A training's FastPitch with the corpus' dictionary and without its training's settings, and its steps."""
    from nemo.collections.tts.models import FastPitchModel  # noqa: PLC0415 - half a minute

    state = torch.load(path, map_location="cpu", weights_only=False)
    config = state["hyper_parameters"]["cfg"]
    with open_dict(config):
        config.text_tokenizer.g2p.phoneme_dict = str((corpus / "nemo" / "dictionary.txt").resolve())
        config.train_ds = {"defer_setup": True, "dataset": DATASET}  # names the kind of batches, which NeMo asks for
        for name in ("validation_ds", "optim"):
            config.pop(name, None)
    model = FastPitchModel(cfg=config)
    model.load_state_dict(state["state_dict"])
    return model.eval(), state["global_step"]


def describe(model: Any, steps: int, file: str, corpus: Path) -> str:
    """The model's card."""
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    n_words = len((corpus / "nemo" / "dictionary.txt").read_text(encoding="utf-8").splitlines())
    facts = {
        "model": f"NeMo's FastPitch, {n_parameters / 1e6:.1f} M parameters, on espeak-ng's phonemes",
        "dictionary": f"{n_words:,} words; of others it knows no phonemes",
        "steps": f"{steps:,}",
        "command": f"`{COMMAND}`",
    }
    return describe_model("NeMo: FastPitch", facts, USE.format(file=file), corpus)


def save(model: Any, path: Path) -> None:
    """Saves a model with halved matrices; its buffers, the mel's window and filters, stay exact."""
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            parameter.data = parameter.data.half()
        if not parameter.isfinite().all():
            raise SystemExit(f"{name} has values that half precision doesn't hold")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, atomic_write(path) as partial:
        plain = Path(folder, "model.nemo")
        model.save_to(str(plain))
        with plain.open("rb") as source, partial.open("wb") as file, gzip.GzipFile("", "wb", 9, file, 0) as packed:
            shutil.copyfileobj(source, packed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("model", type=Path, help=".nemo file to write")
    parser.add_argument("--corpus", type=Path, required=True)
    arguments = parser.parse_args()
    model, steps = load(find_checkpoint(arguments.run), arguments.corpus)
    card = describe(model, steps, arguments.model.name, arguments.corpus)
    save(model, arguments.model)
    write_text(arguments.model.parent / "README.md", card)
    print(f"{arguments.model}: step {steps}, {arguments.model.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
