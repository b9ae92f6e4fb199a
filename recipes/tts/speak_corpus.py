"""Says the sentences of a list with one toolkit, to be listened to or measured.

    python recipes/tts/speak_corpus.py CORPUS/eval.csv OUT --toolkit coqui
    python recipes/tts/intelligible.py CORPUS OUT/griffin-lim OUT/vocos

Each vocoder gets a folder in LJSpeech's layout. A sentence that can't be said is named, the rest is done, the exit code
is then 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from layout import read_list, write_rows
from speak import choose_vocoders
from toolkits import MODELS, TOOLKITS, CannotSpeakError, Job, speak


def main(words: list[str] | None = None) -> int:
    toolkits = {toolkit.name: toolkit for toolkit in TOOLKITS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", type=Path, help="lines of id|text|normalised text")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--toolkit", required=True, choices=toolkits)
    parser.add_argument("--model", type=Path, help="folder of the acoustic model; the toolkit's in recipes/tts/models")
    parser.add_argument("--fine-tuned", type=Path, help="a Vocos checkpoint to hear as well")
    parser.add_argument("--limit", type=int, help="how many sentences, from the first on")
    arguments = parser.parse_args(words)
    model = arguments.model or MODELS / arguments.toolkit
    rows = read_list(arguments.list)[: arguments.limit]
    vocoders = choose_vocoders(model, arguments.fine_tuned)
    job = Job(str(model), str(arguments.out), {row.id: row.normalised for row in rows}, vocoders)
    try:
        result = speak(toolkits[arguments.toolkit], job)
    except CannotSpeakError as error:
        print(error, file=sys.stderr)
        return 1
    said = {(one.vocoder, one.id) for one in result.utterances}
    for vocoder in vocoders:
        spoken = [row for row in rows if (vocoder.name, row.id) in said]
        write_rows(arguments.out / vocoder.folder / "metadata.csv", spoken)
        print(f"{arguments.out / vocoder.folder}: {len(spoken)} sentences")
    for problem in result.problems:
        print(problem, file=sys.stderr)
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
