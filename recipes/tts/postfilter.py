"""Fits the bundled vocoder's postfilter to an acoustic model, and puts it beside the model's weights for `speak.py`.

    python recipes/tts/speak_corpus.py CORPUS/train.csv said --toolkit coqui --limit 100
    python recipes/tts/postfilter.py recipes/tts/models/coqui said/mels --data CORPUS/wavs --source coqui-ljspeech

`vocos postfilter` does the same and writes a whole vocoder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from safetensors.torch import save
from speak import BUNDLED, POSTFILTER

from vocos_plugins import Vocos
from vocos_plugins.apps.postfilter import find_speech, fit_to_speech
from vocos_plugins.plugins import mel_conventions
from vocos_plugins.storage.safe_files import write_files


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of the acoustic model")
    parser.add_argument("predicted", type=Path, help="folder of its mels")
    parser.add_argument("--data", type=Path, required=True, help="recordings of the voice; those of the mels' names")
    parser.add_argument("--source", required=True, help="the mels' convention, as `vocos conventions` lists it")
    arguments = parser.parse_args(words)
    vocos = Vocos.from_pretrained(BUNDLED)
    try:
        source = mel_conventions()[arguments.source]
        fit = fit_to_speech(vocos, find_speech(arguments.predicted, arguments.data), source)
    except KeyError:
        known = ", ".join(mel_conventions())
        print(f"unknown convention {arguments.source!r}; expected one of {known}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    write_files(arguments.model, {POSTFILTER: save(vocos.postfilter.state_dict())})
    print(
        f"{arguments.model / POSTFILTER}: {fit.predicted.n_frames} predicted frames, {fit.recorded.n_frames} recorded"
    )
    for failure in fit.failures:
        print(f"{failure.file}: {failure.error}", file=sys.stderr)
    return 1 if fit.failures else 0


if __name__ == "__main__":
    sys.exit(main())
