"""Writes what NeMo's FastPitch reads of a corpus: manifests, a dictionary of its words, pitch.

    python recipes/tts/nemo/prepare.py CORPUS [--words FILE]

It comes after ``pitch.py`` and writes ``CORPUS/nemo``: ``train.json`` and ``eval.json``; ``dictionary.txt``, each word
in espeak-ng's phonemes (a word as the corpus has it most often in a sentence; others, and those of FILE, as they are
said alone), which becomes a part of the ``.nemo`` file; ``pitch/ID.pt`` and ``pitch.json``. It is run again when the
corpus has grown. A row without its recording, pitch or a word is named with its line, the rest is done, and the exit
code is then 1.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import soundfile
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from layout import Problem, Row, read_alignment, read_list, write_text
from pitch import read_pitch

WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*")
PUNCTUATION = ",.!?;:"


def count_pronunciations(rows: Iterable[tuple[str, list[str]]]) -> dict[str, str]:
    """The commonest pronunciation of each word, from sentences and their phonemes.

    espeak-ng runs some short words together; sentences with such give nothing.
    """
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for text, phonemes in rows:
        words = WORD.findall(text)
        spoken = "".join(phoneme for phoneme in phonemes if phoneme not in PUNCTUATION).split()
        if len(words) == len(spoken):
            for word, pronunciation in zip(words, spoken, strict=True):
                found[word.upper()][pronunciation] += 1
    return {word: counter.most_common(1)[0][0] for word, counter in found.items()}


def pronounce(words: list[str], voice: str = "en-us") -> dict[str, str]:
    """Pronunciations of single words by espeak-ng, a word a line."""
    command = ["espeak-ng", "-q", "-b", "1", "--ipa", "-v", voice]
    text = "".join(f"{word.lower()}\n" for word in words)
    lines = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S603
    if len(lines) != len(words):
        raise ValueError(f"espeak-ng gave {len(lines)} pronunciations of {len(words)} words")
    return {word: "".join(line.split()) for word, line in zip(words, lines, strict=True)}


def make_dictionary(corpus: Path, rows: list[Row], more: Iterable[str]) -> dict[str, str]:
    """Words in capitals and their phonemes; words with phonemes that the corpus lacks are left out."""
    sentences = [(row.normalised, read_alignment(corpus, row.id)[0][1:-1]) for row in rows]
    known = {phoneme for _, phonemes in sentences for phoneme in phonemes} - set(PUNCTUATION + " ")
    heard = count_pronunciations(sentences)
    words = {word.upper() for text, _ in sentences for word in WORD.findall(text)} | {word.upper() for word in more}
    alone = pronounce(sorted(words - set(heard)))
    return {word: said for word, said in sorted({**alone, **heard}.items()) if said and set(said) <= known}


def find_problems(path: Path, rows: list[Row]) -> dict[str, Problem]:
    """Rows of a list of the corpus that cannot be used, by their ids."""
    corpus, problems = path.parent, {}
    for line, row in enumerate(rows, start=1):
        needed = [f"wavs/{row.id}.wav", f"pitch/{row.id}.npy"]
        missing = [name for name in needed if not (corpus / name).is_file()]
        if missing:
            problems[row.id] = Problem(path, line, f"there is no {' nor '.join(missing)}")
        elif not WORD.search(row.normalised):
            problems[row.id] = Problem(path, line, f"no known symbol in {row.normalised!r}")
    return problems


def write_manifest(path: Path, corpus: Path, rows: list[Row]) -> None:
    """NeMo's manifest of rows: a line of JSON each, with absolute paths."""
    lines = []
    for row in rows:
        audio = (corpus / "wavs" / f"{row.id}.wav").resolve()
        header = soundfile.info(audio)
        entry = {"audio_filepath": str(audio), "text": row.text, "normalized_text": row.normalised}
        lines.append(json.dumps({**entry, "duration": header.frames / header.samplerate}) + "\n")
    write_text(path, "".join(lines))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--words", type=Path, help="more words for the dictionary, or text that has them")
    arguments = parser.parse_args()
    corpus: Path = arguments.corpus
    folder = corpus / "nemo"
    rows, problems = [], []
    for name in ("train", "eval"):
        listed = read_list(corpus / f"{name}.csv")
        found = find_problems(corpus / f"{name}.csv", listed)
        problems += found.values()
        listed = [row for row in listed if row.id not in found]
        write_manifest(folder / f"{name}.json", corpus, listed)
        rows += listed
    more = WORD.findall(arguments.words.read_text(encoding="utf-8")) if arguments.words else []
    dictionary = make_dictionary(corpus, rows, more)
    write_text(folder / "dictionary.txt", "".join(f"{word}  {said}\n" for word, said in dictionary.items()))
    (folder / "pitch").mkdir(exist_ok=True)
    for row in rows:
        torch.save(torch.from_numpy(read_pitch(corpus, row.id)), folder / "pitch" / f"{row.id}.pt")
    statistics = json.loads((corpus / "pitch.json").read_text(encoding="utf-8"))
    default = {"pitch_mean": statistics["mean"], "pitch_std": statistics["deviation"]}
    write_text(folder / "pitch.json", json.dumps({"default": default}))
    print(f"{len(rows)} rows, {len(dictionary)} words")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
