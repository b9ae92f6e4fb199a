"""Turns a corpus' phoneme durations and pitch into the files from which Coqui TTS takes them.

    python recipes/tts/coqui/align.py --config_path recipes/tts/coqui/fastspeech2.json --corpus CORPUS

It comes after ``pitch.py``. Each attention mask, ``CORPUS/coqui/masks/ID.npy`` of ``(frames, symbols)``, has one 1 in
each frame of the mel. Rows without pitch or alignment, and those whose text Coqui TTS reads as other phonemes than the
voice spoke, are named and left out of ``CORPUS/coqui/train.csv``; the exit code is then 1. It is 2 where no row is left
to train on, or none to hold out. What is there stays, so the script is run again when the corpus has grown.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from corpus import FOLDER, configure
from numpy.typing import NDArray
from TTS.tts.datasets import load_tts_samples
from TTS.tts.datasets.dataset import F0Dataset, string2filename
from TTS.tts.utils.text.tokenizer import TTSTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lacks import find_lacks, find_missing, report
from layout import Row, read_alignment, read_list, read_rows, write_rows, write_text
from pitch import read_pitch


def make_mask(durations: list[int]) -> NDArray[np.uint8]:
    """``(frames, symbols)``; a centred mel has one frame more than the durations' sum, which the last symbol gets."""
    frames = [*durations[:-1], durations[-1] + 1]
    symbol_of_frame = np.repeat(np.arange(len(frames)), frames)
    return (symbol_of_frame[:, None] == np.arange(len(frames))).astype(np.uint8)


def spell(tokenizer: Any, text: str) -> list[str]:
    """The symbols that Coqui TTS makes of a text, without those of its beginning and end."""
    return [tokenizer.characters.id_to_char(number) for number in tokenizer.text_to_ids(text)[1:-1]]


def write_masks(corpus: Path, tokenizer: Any) -> tuple[list[Row], list[str]]:
    """Writes the masks; gives the rows that have one, and what is wrong with the others."""
    rows, problems = read_rows(corpus)
    reasons, aligned = [str(problem) for problem in problems], []
    folder = corpus / FOLDER / "masks"
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        path = folder / f"{row.id}.npy"
        try:
            durations = None if path.exists() else read_durations(corpus, row, tokenizer)
            if missing := find_missing(corpus, row.id, "pitch"):
                raise ValueError(missing)
        except ValueError as error:
            reasons.append(f"{row.id}: {error}")
            continue
        if durations is not None:
            partial = folder / f"{row.id}.part.npy"
            np.save(partial, make_mask(durations))
            partial.replace(path)
        aligned.append(row)
    return aligned, reasons


def read_durations(corpus: Path, row: Row, tokenizer: Any) -> list[int]:
    """The durations of a row's phonemes.

    Raises:
        ValueError: there are none, or they are of other phonemes than Coqui TTS reads.
    """
    if missing := find_missing(corpus, row.id, "alignments"):
        raise ValueError(missing)
    phonemes, durations = read_alignment(corpus, row.id)
    spelled = spell(tokenizer, row.normalised)
    if spelled != phonemes[1:-1]:
        raise ValueError(f"Coqui TTS reads {''.join(spelled)}, the voice spoke {''.join(phonemes)}")
    return durations


def write_pitch(corpus: Path, config: Any) -> None:
    """Fills the trainer's cache of pitch contours, under its own names."""
    folder = Path(config.f0_cache_path)
    folder.mkdir(parents=True, exist_ok=True)
    for items in load_tts_samples(config, eval_split=True):
        for item in items:
            name = string2filename(item["audio_unique_name"])
            np.save(
                F0Dataset.create_pitch_file_path(name, str(folder)), read_pitch(corpus, Path(item["audio_file"]).stem)
            )
    statistics = json.loads((corpus / "pitch.json").read_text(encoding="utf-8"))
    mean, deviation = np.float64(statistics["mean"]), np.float64(statistics["deviation"])
    np.save(folder / "pitch_stats", {"mean": mean, "std": deviation}, allow_pickle=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config_path", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    arguments = parser.parse_args()
    corpus: Path = arguments.corpus
    if lacks := find_lacks(corpus, "metadata.csv", "train.csv", "eval.csv", "pitch.json", "alignments"):
        return report(lacks, 2)
    config = configure(arguments.config_path, corpus)
    tokenizer, _ = TTSTokenizer.init_from_config(config)
    rows, reasons = write_masks(corpus, tokenizer)
    held_out = {row.id for row in read_list(corpus / "eval.csv")}
    folder = corpus / FOLDER
    lists = {
        "train.csv": [row for row in rows if row.id not in held_out],
        "eval.csv": [row for row in rows if row.id in held_out],
    }
    if empty := [f"{corpus / name} has no row that can be used" for name, some in lists.items() if not some]:
        return report([*reasons, *empty], 2)
    for name, some in lists.items():
        write_rows(folder / name, some)
    masks = [f"{corpus / 'wavs' / row.id}.wav|{folder / 'masks' / row.id}.npy\n" for row in rows]
    write_text(folder / "attention.csv", "".join(masks))
    write_pitch(corpus, config)
    print(f"{len(rows)} rows are aligned, {len(reasons)} are left out")
    return report(reasons, 1)


if __name__ == "__main__":
    sys.exit(main())
