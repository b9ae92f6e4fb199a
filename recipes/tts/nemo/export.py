"""Makes the ``.nemo`` file that NeMo's ``FastPitchModel.restore_from`` loads out of a training's newest checkpoint.

    python recipes/tts/nemo/export.py RUN MODEL.nemo --corpus CORPUS

Weights in half precision, which NeMo copies into its float32 model; no state of the optimizer, no paths of the machine.
The file is a gzipped tar, as older versions of NeMo wrote them. RUN is the ``exp_manager.exp_dir`` of the training. The
dictionary is that of CORPUS now: ``prepare.py --words`` adds words to it without changing the model's symbols.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from omegaconf import open_dict

from vocos_plugins.storage.atomic import atomic_write

DATASET = {"_target_": "nemo.collections.tts.data.dataset.TTSDataset"}


def find_checkpoint(run: Path) -> Path:
    """The newest checkpoint of a run."""
    found = sorted(run.rglob("*-last.ckpt"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit(f"{run} holds no checkpoint *-last.ckpt: expected the exp_manager.exp_dir of a training")
    return found[-1]


def load(path: Path, corpus: Path) -> Any:
    """A training's FastPitch with the corpus' dictionary, and without its training's settings."""
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
    print(f"{path.name}, step {state['global_step']}")
    return model.eval()


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
    save(load(find_checkpoint(arguments.run), arguments.corpus), arguments.model)
    print(f"{arguments.model}: {arguments.model.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
