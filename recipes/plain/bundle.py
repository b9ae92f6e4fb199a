"""Puts a trained model into the package, in half precision and with where it came from.

    python recipes/plain/bundle.py --run runs/small --manifest DATA/manifest.csv --name vocos-mel-22khz-small

The manifest's columns ``licence`` and ``attribution`` go into the checkpoint's provenance.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
from collections import defaultdict
from pathlib import Path
from typing import Any

from vocos_plugins import Vocos
from vocos_plugins.checkpoint_directory import save_pretrained

CHECKPOINTS = Path(__file__).parents[2] / "vocos_plugins" / "checkpoints"
# The manifest's spellings of one licence.
LICENCES = {"PD": "public domain", "CC-BY": "CC BY 4.0", "CC-BY-SA": "CC BY-SA"}


def training_data(manifest: Path) -> list[dict[str, Any]]:
    """What the model was trained on: licence, attribution and minutes of each source."""
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


def with_refinement(vocos: Vocos, steps: int) -> Vocos:
    """The same weights with another number of passes after the head, which is a choice of speed or quality."""
    head = dataclasses.replace(vocos.config.head, refinement_steps=steps)
    other = Vocos(dataclasses.replace(vocos.config, head=head), vocos.provenance)
    other.load_state_dict(vocos.state_dict())
    return other


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--refinement-steps", type=int, help="of the head; by default as many as it was trained with")
    parser.add_argument("--note", default="", help="how it was trained, in a line")
    args = parser.parse_args()
    vocos = Vocos.from_pretrained(args.run / "model")
    if args.refinement_steps is not None:
        vocos = with_refinement(vocos, args.refinement_steps)
    vocos.provenance |= {"licence": "MIT", **({"training": args.note} if args.note else {})}
    vocos.provenance["data"] = training_data(args.manifest)
    save_pretrained(vocos, CHECKPOINTS / args.name, half=True)
    print(f"wrote {CHECKPOINTS / args.name}")


if __name__ == "__main__":
    main()
