"""Writes what NeMo's FastPitch reads of a corpus: manifests, a dictionary of its words, pitch.

    python recipes/tts/nemo/prepare.py CORPUS [--words FILE]

It comes after ``pitch.py`` and writes ``CORPUS/nemo``: ``train.json`` and ``eval.json``; ``dictionary.txt``, each word
in espeak-ng's phonemes (a word as the corpus has it most often in a sentence; others, and those of FILE, as they are
said alone), which becomes a part of the ``.nemo`` file; ``pitch/ID.pt`` and ``pitch.json``. It is run again when the
corpus has grown. A row without its recording, pitch, alignment or a word is named with its line, the rest is done, and
the exit code is then 1; it is 2, and nothing is written, where there is no row to train on or none to hold out.

Recordings have no alignments: ``--learn-durations`` does without, and ``train.py known_durations=false`` learns them.
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
from lacks import find_lacks, find_missing, report
from layout import Problem, Row, read_alignment, read_list, write_text
from pitch import read_pitch

WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*")
PUNCTUATION = ",.!?;:"
LISTS = ("train.csv", "eval.csv")


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


def make_dictionary(corpus: Path, rows: list[Row], more: Iterable[str], *, aligned: bool = True) -> dict[str, str]:
    """Words in capitals and their phonemes; words with phonemes that the corpus lacks are left out.

    Without alignments all words are said alone, and the corpus' phonemes are those of its words.
    """
    own = {word.upper() for row in rows for word in WORD.findall(row.normalised)}
    spoken = [(row.normalised, read_alignment(corpus, row.id)[0][1:-1]) for row in rows] if aligned else []
    heard = count_pronunciations(spoken)
    alone = pronounce(sorted((own | {word.upper() for word in more}) - set(heard)))
    sounds = [phonemes for _, phonemes in spoken] if aligned else [list(alone[word]) for word in own]
    known = {phoneme for phonemes in sounds for phoneme in phonemes} - set(PUNCTUATION + " ")
    return {word: said for word, said in sorted({**alone, **heard}.items()) if said and set(said) <= known}


def load_rows(path: Path, *, aligned: bool) -> tuple[list[Row], list[Problem]]:
    """Rows of a list of the corpus that can be used, and what is wrong with the others."""
    rows, problems = [], []
    for line, row in enumerate(read_list(path), start=1):
        if reason := _find_fault(path.parent, row, aligned=aligned):
            problems.append(Problem(path, line, reason))
        else:
            rows.append(row)
    return rows, problems


def _find_fault(corpus: Path, row: Row, *, aligned: bool) -> str | None:
    if missing := find_missing(corpus, row.id, "wavs", "pitch", *(["alignments"] if aligned else [])):
        return missing
    if not WORD.search(row.normalised):
        return f"no known symbol in {row.normalised!r}"
    try:
        if aligned:
            read_alignment(corpus, row.id)
    except ValueError as error:
        return str(error)
    return None


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
    parser.add_argument("--learn-durations", action="store_true", help="do without alignments/, for recordings")
    arguments = parser.parse_args()
    corpus, aligned = arguments.corpus, not arguments.learn_durations
    if lacks := find_lacks(corpus, *LISTS, "pitch.json", *(["alignments"] if aligned else [])):
        return report(lacks, 2)
    lists = {name: load_rows(corpus / name, aligned=aligned) for name in LISTS}
    problems = [problem for _, found in lists.values() for problem in found]
    if empty := [f"{corpus / name} has no row that can be used" for name, (rows, _) in lists.items() if not rows]:
        return report([*problems, *empty], 2)
    for name, (rows, _) in lists.items():
        write_manifest((corpus / "nemo" / name).with_suffix(".json"), corpus, rows)
    more = WORD.findall(arguments.words.read_text(encoding="utf-8")) if arguments.words else []
    prepare(corpus, [row for rows, _ in lists.values() for row in rows], more, aligned=aligned)
    return report(problems, 1)


def prepare(corpus: Path, rows: list[Row], more: Iterable[str], *, aligned: bool) -> None:
    """Writes the dictionary and the pitch."""
    folder = corpus / "nemo"
    dictionary = make_dictionary(corpus, rows, more, aligned=aligned)
    write_text(folder / "dictionary.txt", "".join(f"{word}  {said}\n" for word, said in dictionary.items()))
    (folder / "pitch").mkdir(exist_ok=True)
    for row in rows:
        torch.save(torch.from_numpy(read_pitch(corpus, row.id)), folder / "pitch" / f"{row.id}.pt")
    statistics = json.loads((corpus / "pitch.json").read_text(encoding="utf-8"))
    default = {"pitch_mean": statistics["mean"], "pitch_std": statistics["deviation"]}
    write_text(folder / "pitch.json", json.dumps({"default": default}))
    print(f"{len(rows)} rows, {len(dictionary)} words")


if __name__ == "__main__":
    sys.exit(main())
