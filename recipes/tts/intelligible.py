"""Measures how well a recogniser reads speech: word error rates of folders in LJSpeech's layout, side by side.

    python recipes/tts/intelligible.py CORPUS OUT/griffin-lim OUT/vocos [--list CORPUS/eval.csv]

The recogniser makes errors of its own, so the first folder, usually the corpus that a model was trained on, is what the
others are divided by. Only sentences that are in all of the folders count. One whose file is missing is named, the rest
is done, the exit code is then 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import soundfile
from layout import Row, read_list, read_rows
from reading import MISSING, has_words, is_installed, read_back, word_error_rate


def find_rows(folders: list[Path], listed: Path | None) -> tuple[list[Row], list[str]]:
    """Returns the rows that all folders have, and what is wrong with others.

    Raises:
        FileNotFoundError: a folder has no ``metadata.csv``.
        ValueError: no row is in all folders.
    """
    read = [read_rows(folder) for folder in folders]
    problems = [str(problem) for _, some in read for problem in some]
    ids = set.intersection(*({row.id for row in rows} for rows, _ in read))
    if listed is not None:
        named = [row.id for row in read_list(listed)]
        problems += [f"{listed}: {row_id} is not in all folders" for row_id in named if row_id not in ids]
        ids &= set(named)
    wordless = [row for row in read[0][0] if row.id in ids and not has_words(row.normalised)]
    problems += [f"{row.id}: no word in {row.normalised!r}" for row in wordless]
    ids -= {row.id for row in wordless}
    if not ids:
        raise ValueError(f"no sentence is in all of {', '.join(map(str, folders))}")
    return [row for row in read[0][0] if row.id in ids], problems


def measure(folder: Path, rows: list[Row], *, show: bool) -> float:
    """Returns the share of a folder's words that are read wrong, in all of its rows together."""
    heard = []
    for row in rows:
        audio, rate = soundfile.read(folder / "wavs" / f"{row.id}.wav", dtype="float32")
        words, wrong = read_back(audio, rate, row.normalised)
        heard.append(words)
        if show:
            print(f"{folder.name} {row.id} {wrong:.2f}: {row.normalised} | {words}", flush=True)
    return word_error_rate([row.normalised for row in rows], heard)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="with metadata.csv and wavs/; the first is the yardstick")
    parser.add_argument("--list", type=Path, help="only these sentences, each of which has to be in all folders")
    parser.add_argument("--show", action="store_true", help="print what is read in each sentence")
    arguments = parser.parse_args(words)
    if not is_installed():
        print(MISSING, file=sys.stderr)
        return 1
    try:
        rows, problems = find_rows(arguments.folders, arguments.list)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    rates = {folder: measure(folder, rows, show=arguments.show) for folder in arguments.folders}
    yardstick = rates[arguments.folders[0]]
    print(f"| {len(rows)} sentences of | words read wrong | ratio |\n|---|--:|--:|")
    for folder, wrong in rates.items():
        ratio = wrong / yardstick if yardstick else float("nan")
        print(f"| {folder} | {wrong:.1%} | {ratio:.2f} |")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
