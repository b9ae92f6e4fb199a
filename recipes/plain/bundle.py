"""Adds a trained model to the package, in half precision and with its provenance.

    python recipes/plain/bundle.py --run runs/vocos-mel-22khz-small/shipped --manifest DATA/manifest.csv \
        --name vocos-mel-22khz-small

The manifest's columns ``licence`` and ``attribution`` go into the checkpoint's provenance. A postfilter of the model
that it replaces stays, since it is one of the mel (``recipes/tts/shared_postfilter.py`` fits it). The new weights need
a certificate: ``vocos certify``.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save

from vocos_plugins import Vocos
from vocos_plugins.storage.safe_files import write_files
from vocos_plugins.training.discriminator_files import DISCRIMINATORS_FILE

CHECKPOINTS = Path(__file__).parents[2] / "vocos_plugins" / "storage" / "checkpoints"
# Licences by their spelling in the manifest.
LICENCES = {"PD": "public domain", "CC-BY": "CC BY 4.0", "CC-BY-SA": "CC BY-SA"}


def training_data(manifest: Path) -> list[dict[str, Any]]:
    """Summarizes the training data: licence, attribution and minutes of each source."""
    minutes: dict[tuple[str, str, str], float] = defaultdict(float)
    with manifest.open(newline="") as rows:
        for row in csv.DictReader(rows):
            if row["split"] == "train":
                source = Path(row["file"]).parts[1]
                licence = LICENCES.get(row["licence"], row["licence"])
                minutes[source, licence, row["attribution"]] += float(row["seconds"]) / 60
    return [
        {"source": source, "licence": licence, "attribution": attribution, "minutes": round(total, 1)}
        for (source, licence, attribution), total in sorted(minutes.items())
    ]


def keep_postfilter(before: Vocos, vocos: Vocos) -> None:
    """Gives a model the postfilter of the one that it replaces."""
    if before.postfilter is not None:
        vocos.set_postfilter(**before.postfilter.state_dict(), options=before.config.postfilter)
        vocos.provenance["postfilter"] = before.provenance["postfilter"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training, or of its last stage")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--note", default="", help="one line on how it was trained")
    args = parser.parse_args()
    vocos = Vocos.from_pretrained(args.run / "model")
    if (CHECKPOINTS / args.name).is_dir() and (before := Vocos.from_pretrained(args.name)).mel == vocos.mel:
        keep_postfilter(before, vocos)
    vocos.provenance |= {"licence": "MIT", **({"training": args.note} if args.note else {})}
    vocos.provenance["data"] = training_data(args.manifest)
    # Half precision halves the wheel's largest files.
    vocos.save_pretrained(CHECKPOINTS / args.name, half=True)
    if (discriminators := args.run / "model" / DISCRIMINATORS_FILE).exists():  # fine-tuning starts from them
        halves = {name: tensor.half() for name, tensor in load_file(discriminators).items()}
        write_files(CHECKPOINTS / args.name, {DISCRIMINATORS_FILE: save(halves)})
    print(f"wrote {CHECKPOINTS / args.name}")


if __name__ == "__main__":
    main()
