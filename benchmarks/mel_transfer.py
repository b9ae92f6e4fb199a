"""Measures where fine-tuning to another mel starts: PESQ of the bundled model with its layers copied and translated.

    python benchmarks/mel_transfer.py --data RECORDINGS

Prints a table for docs/recipes.md. Nothing is trained; only `vocos_plugins.training.mel_transfer` makes the difference.
"""

from __future__ import annotations

import argparse
import dataclasses
import warnings
from pathlib import Path
from statistics import mean

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.apps.cli.options import DEFAULT_MODEL
from vocos_plugins.evaluation.comparison import run_clip
from vocos_plugins.evaluation.measures import choose
from vocos_plugins.evaluation.systems import build_systems
from vocos_plugins.mel import MelMismatchWarning
from vocos_plugins.mel.speech import Clip
from vocos_plugins.plugins import mel_conventions
from vocos_plugins.training.sources import find_recordings
from vocos_plugins.training.warm_start import copy_generator

CONVENTIONS = (
    "coqui-default",
    "coqui-vits",
    "nemo-fastpitch-22khz-full-band",
    "speechbrain-libritts-16khz",
    "vocos-24khz",
)
ALIGNED, COPIED, TRANSLATED = "aligned", "copied", "translated"


def starts(donor: Vocos, source: MelConvention) -> dict[str, Vocos]:
    """Returns the donor, and models with its layers for natural logarithms of a convention's bands."""
    wanted = dataclasses.replace(source, log="natural", log_gain=1.0, normalization=None, framing="center")
    head = dataclasses.replace(donor.config.head, n_fft=wanted.n_fft, hop_length=wanted.hop_length)
    models = {ALIGNED: donor}
    for name, mel in ((COPIED, None), (TRANSLATED, donor.mel)):
        models[name] = Vocos(dataclasses.replace(donor.config, features=wanted, head=head)).eval()
        copy_generator(donor.state_dict(), models[name], DEFAULT_MODEL, mel)
    return models


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="recordings: a folder, a list, or a manifest")
    clips = [Clip.from_path(recording.path) for recording in find_recordings(parser.parse_args().data)]
    measures, left_out = choose(["pesq"])
    if left_out:
        parser.error(f"PESQ can't be measured: {left_out['pesq']}")
    donor = Vocos.from_pretrained(DEFAULT_MODEL, precision="float32")
    print(f"| mel | unmodified, {ALIGNED} | layers {COPIED} | layers {TRANSLATED} |\n|---|--:|--:|--:|")
    warnings.simplefilter("ignore", MelMismatchWarning)
    for name in CONVENTIONS:
        source = dataclasses.replace(mel_conventions()[name], framing="center")
        models = starts(donor, source)
        comparisons = [run_clip(build_systems(models, source), clip, measures) for clip in clips]
        scores = [mean(each.renditions[model].scores["pesq"].value for each in comparisons) for model in models]
        print(f"| `{name}` | " + " | ".join(f"{score:.2f}" for score in scores) + " |", flush=True)


if __name__ == "__main__":
    main()
