"""Says a sentence with every toolkit that is installed, and writes a page to listen to.

    python recipes/tts/speak.py "Hello there." [--out speak] [--fine-tuned VOCOS]

Each toolkit runs in a fresh process with its model in ``recipes/tts/models``, once by Griffin-Lim and once by each
vocoder. A toolkit that isn't installed, or has no model, is named, the rest is done, the exit code is then 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from listening import Spoken, measure, render
from toolkits import MODELS, TOOLKITS, CannotSpeakError, Job, Vocoder, speak

from vocos_plugins.storage.atomic import write_text

BUNDLED = "vocos-mel-22khz-small"
VOCODERS = (Vocoder("Griffin-Lim"), Vocoder("Vocos", BUNDLED), Vocoder("Vocos, 16 passes", BUNDLED, 16))
FITTED = "Vocos, postfilter"
FINE_TUNED = "Vocos, fine-tuned"
POSTFILTER = "postfilter.safetensors"  # beside a model's weights
TEXT = "text"  # the id of the only one
PAGE = "speak.html"
ROUNDS = 3


def choose_vocoders(model: Path, fine_tuned: Path | None) -> list[Vocoder]:
    """Returns the vocoders; one with a postfilter if it lies beside the model's weights, and the one given."""
    vocoders, postfilter = [*VOCODERS], model / POSTFILTER
    if postfilter.is_file():
        vocoders.append(Vocoder(FITTED, BUNDLED, postfilter=str(postfilter)))
    if fine_tuned is not None:
        vocoders.append(Vocoder(FINE_TUNED, str(fine_tuned)))
    return vocoders


def speak_all(arguments: argparse.Namespace) -> tuple[list[Spoken], list[str]]:
    """Says the text with each toolkit; returns what was said and what went wrong."""
    spoken, problems = [], []
    for toolkit in TOOLKITS:
        if arguments.toolkit and toolkit.name not in arguments.toolkit:
            continue
        print(f"{toolkit.title} ...", flush=True)
        model = arguments.models / toolkit.name
        vocoders = choose_vocoders(model, arguments.fine_tuned)
        try:
            job = Job(str(model), str(arguments.out / toolkit.name), {TEXT: arguments.text}, vocoders, ROUNDS)
            result = speak(toolkit, job)
        except CannotSpeakError as error:
            problems.append(str(error))
            continue
        problems += [f"{toolkit.title}: {problem.removeprefix(f'{TEXT}: ')}" for problem in result.problems]
        if result.utterances:
            spoken.append(measure(toolkit, arguments.text, result))
    return spoken, problems


def main(words: list[str] | None = None) -> int:
    names = [toolkit.name for toolkit in TOOLKITS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("--out", type=Path, default=Path("speak"), help="folder of the page")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder with a model's folder for each toolkit")
    parser.add_argument("--toolkit", action="append", choices=names, help="only this one; may be repeated")
    parser.add_argument("--fine-tuned", type=Path, help="a Vocos checkpoint to hear as well")
    arguments = parser.parse_args(words)
    arguments.text = " ".join(arguments.text.split())
    if not any(map(str.isalnum, arguments.text)):
        print(f"no known symbol in {arguments.text!r}; expected English text", file=sys.stderr)
        return 1
    spoken, problems = speak_all(arguments)
    if spoken:
        print(f"wrote {write_text(arguments.out / PAGE, render(arguments.text, spoken, problems))}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
