"""Measures the bundled model on mels that acoustic models predicted: with its postfilter, another one, and none.

    python benchmarks/predicted_mels.py [--measure distillmos] [--model coqui]

The mels are `recipes/tts/predicted`, 20 sentences for each model of `recipes/tts/models`, which neither the models nor
their postfilters have seen. DistillMOS and the word error rate are taken where they are installed.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

from safetensors.torch import load_file

from vocos_plugins import Vocos
from vocos_plugins.evaluation.evaluate import Evaluation
from vocos_plugins.evaluation.measures import choose
from vocos_plugins.evaluation.pairs import find_pairs
from vocos_plugins.evaluation.predicted import evaluate_predicted
from vocos_plugins.evaluation.systems import build_systems
from vocos_plugins.evaluation.tables import left_out_as_text, markdown
from vocos_plugins.plugins import mel_conventions

TTS = Path(__file__).resolve().parents[1] / "recipes" / "tts"
MODEL = "vocos-mel-22khz-small"
CONVENTIONS = {
    "speechbrain": "speechbrain-ljspeech",
    "coqui": "coqui-ljspeech",
    "coqui-glow": "coqui-ljspeech",
    "nemo": "nemo-fastpitch-22khz",
}
MEASURES = ("pesq", "distillmos")


def evaluate(model: str, names: list[str]) -> Evaluation:
    """Measures the vocoder on the mels of a model of `recipes/tts/models`."""
    bundled = Vocos.from_pretrained(MODEL, precision="float32")
    plain = copy.deepcopy(bundled)
    plain.set_postfilter(None)
    models = {"no postfilter": plain, "as it ships": bundled}
    if (postfilter := TTS / "models" / model / "postfilter.safetensors").exists():  # GlowTTS needs none
        models["fitted postfilter"] = copy.deepcopy(bundled)
        models["fitted postfilter"].set_postfilter(**load_file(postfilter))
    conventions = mel_conventions()
    systems = build_systems(models, conventions[CONVENTIONS[model]])
    measures, left_out = choose(names)
    pairs = find_pairs(TTS / "predicted" / model, TTS / "predicted" / "audio")
    return evaluate_predicted(systems, pairs, measures, left_out, conventions.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="append", metavar="NAME", help="as for vocos eval; may be repeated")
    parser.add_argument("--model", action="append", choices=CONVENTIONS, help="only this one; may be repeated")
    arguments = parser.parse_args()
    for model in arguments.model or CONVENTIONS:
        evaluation = evaluate(model, arguments.measure or [*MEASURES])
        print(f"\n{model}\n\n{markdown(evaluation)}")
        if evaluation.left_out:
            print(f"Not measured: {left_out_as_text(evaluation.left_out)}")


if __name__ == "__main__":
    main()
