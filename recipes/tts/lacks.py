"""Names the files of a corpus that a toolkit's recipe needs and misses, and what writes them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

SUFFIXES = {"wavs": ".wav", "alignments": ".json", "pitch": ".npy"}  # of a row's files, by their folder
WAYS = {
    "metadata.csv": "make_corpus.py writes it",
    "train.csv": "make_corpus.py writes it",
    "eval.csv": "make_corpus.py writes it",
    "pitch.json": "pitch.py writes it",
    "alignments": "make_corpus.py synthesise writes them. Recordings have no known durations; only NeMo's recipe learns"
    " them: nemo/prepare.py --learn-durations, then nemo/train.py known_durations=false",
}


def find_lacks(corpus: Path, *names: str) -> list[str]:
    """Returns a line for each of the names, keys of `WAYS`, that isn't there or is an empty folder: what writes it."""
    return [f"there is no {corpus / name}; {WAYS[name]}" for name in names if not _has(corpus / name)]


def _has(path: Path) -> bool:
    return path.is_file() or any(path.glob(f"*{SUFFIXES.get(path.name, '')}"))


def find_missing(corpus: Path, row_id: str, *folders: str) -> str | None:
    """Returns a sentence that names those of a row's files that aren't there; None if all are."""
    names = [f"{folder}/{row_id}{SUFFIXES[folder]}" for folder in folders]
    missing = [name for name in names if not (corpus / name).is_file()]
    return f"there is no {' nor '.join(missing)}" if missing else None


def report(problems: Sequence[object], code: int) -> int:
    """Names problems on standard error; returns the exit code, 0 if there are none."""
    for problem in problems:
        print(problem, file=sys.stderr, flush=True)
    return code if problems else 0
