"""Makes a speech corpus with transcripts: synthetic speech with exact phoneme durations, or one's own recordings.

    python recipes/tts/make_corpus.py synthesise CORPUS --voice FOLDER --hours 3
    python recipes/tts/make_corpus.py read LJSpeech-1.1 CORPUS

`synthesise` speaks free English text (or ``--text FILE``, a sentence a line) by a Piper voice; `read` takes a folder in
LJSpeech's layout, of any rate. Both write LJSpeech's layout, see ``layout.py``. A run that was stopped goes on, and a
corpus grows by more ``--hours``. A line that can't be used is named, the rest is done, the exit code is then 1. A
sentence of the sources that the voice can't say is named, too, and the next one takes its place.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr
from cards import describe_recordings, describe_synthesis
from layout import (
    SAMPLE_RATE,
    Row,
    append_row,
    divide,
    read_rows,
    write_alignment,
    write_audio,
    write_rows,
    write_text,
)
from numpy.typing import NDArray
from sentences import choose, normalise, speakable_sentences
from sources import SOURCES, download

if TYPE_CHECKING:
    from voice import PiperVoice

LONGEST_S = 15.0
REPORT_EVERY = 100  # rows


def read_text(path: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """Sentences of one's own, a line each, with their file and line; and what is wrong with other lines."""
    sentences, problems = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        sentence = normalise(line.strip())
        if sentence is not None:
            sentences.append((f"{path}:{number}", sentence))
        elif not any(map(str.isalpha, line)):
            problems.append(f"{path}:{number}: no known symbol in {line.strip()!r}")
        else:
            problems.append(f"{path}:{number}: write figures and abbreviations as words: {line.strip()!r}")
    return sentences, problems


def read_sources(cache: Path, seed: int) -> list[tuple[str, str]]:
    """Sentences of `SOURCES`, in the order in which they are spoken."""
    texts = {source.name: list(speakable_sentences(source.read(download(source, cache)))) for source in SOURCES}
    return choose(texts, {source.name: source.share for source in SOURCES}, seed)


def synthesise(arguments: argparse.Namespace) -> bool:
    """Speaks sentences until the corpus is as long as asked for; gives whether it has all that was asked for.

    A sentence that can't be spoken is named. Of one's own text it is missed; of the sources the next one takes its
    place.
    """
    from voice import PiperVoice, read_card  # noqa: PLC0415 - `read` does without the voice's packages

    corpus: Path = arguments.corpus
    own = arguments.text is not None
    sentences, problems = read_text(arguments.text) if own else (read_sources(arguments.cache, arguments.seed), [])
    done, _ = read_rows(corpus) if (corpus / "metadata.csv").exists() else ([], [])
    corpus.mkdir(parents=True, exist_ok=True)
    voice = PiperVoice(arguments.voice, seed=arguments.seed + len(done), n_threads=arguments.threads)
    length_s, left_out = _speak(arguments, voice, sentences, done)
    if own:
        problems += left_out
    elif length_s < arguments.hours * 3600:
        asked = f"{length_s / 3600:.2f} of {arguments.hours:.2f} h"
        problems.append(f"the sources have no more sentences after {asked}; ask for fewer --hours")
    _report([*([] if own else left_out), *problems])
    _finish(corpus, done, arguments.eval_sentences)
    named = [] if own else list(SOURCES)
    for source in named:
        notice = (download(source, arguments.cache) / "LICENSE").read_text(encoding="utf-8")
        write_text(corpus / "licences" / source.name, notice)
    write_text(corpus / "README.md", describe_synthesis(len(done), length_s, read_card(arguments.voice), named))
    return not problems


def _speak(
    arguments: argparse.Namespace, voice: PiperVoice, sentences: list[tuple[str, str]], done: list[Row]
) -> tuple[float, list[str]]:
    """Adds sentences to the rows that are done; returns the corpus' seconds, and what is wrong with other sentences."""
    from phonemes import phonemize  # noqa: PLC0415

    corpus, problems = arguments.corpus, []
    spoken = {row.id for row in done}
    length_s = sum(_length_s(corpus, row) for row in done)
    for number, (origin, sentence) in enumerate(sentences):
        row = Row(f"{arguments.prefix}-{number:05}", sentence, sentence)
        if length_s >= arguments.hours * 3600:
            break
        if row.id in spoken:
            continue
        phonemes = phonemize(sentence, voice.language)
        if unknown := voice.unknown(phonemes):  # such as a nasal vowel of a French name
            symbols = ", ".join(map(repr, unknown))
            problems.append(f"{origin}: the voice has no symbol for {symbols} of {sentence!r}; left out")
            continue
        utterance = voice.speak(phonemes)
        seconds = utterance.audio.size / SAMPLE_RATE
        if seconds > LONGEST_S:
            problems.append(f"{origin}: {sentence!r} lasts {seconds:.1f} s, at most {LONGEST_S:g} s are used; left out")
            continue
        write_audio(corpus / "wavs" / f"{row.id}.wav", utterance.audio)
        write_alignment(corpus, row.id, utterance.phonemes, utterance.durations)
        append_row(corpus / "metadata.csv", row)
        done.append(row)
        length_s += seconds
        if len(done) % REPORT_EVERY == 0:
            print(f"{len(done)} sentences, {length_s / 3600:.2f} h; the last is of {origin}", flush=True)
    return length_s, problems


def read(arguments: argparse.Namespace) -> bool:
    """Copies a folder in LJSpeech's layout, at the corpus' rate; gives whether all of its rows can be used."""
    rows, problems = read_rows(arguments.folder)
    for row in rows:
        target = arguments.corpus / "wavs" / f"{row.id}.wav"
        if not target.exists():
            write_audio(target, _load(arguments.folder / "wavs" / f"{row.id}.wav"))
    write_rows(arguments.corpus / "metadata.csv", rows)
    _report(map(str, problems))
    _finish(arguments.corpus, rows, arguments.eval_sentences)
    length_s = sum(_length_s(arguments.corpus, row) for row in rows)
    write_text(arguments.corpus / "README.md", describe_recordings(len(rows), length_s, arguments.folder))
    return not problems


def _report(problems: Iterable[str]) -> None:
    """Names what is left out, before anything else can fail."""
    for problem in problems:
        print(problem, file=sys.stderr, flush=True)


def _load(path: Path) -> NDArray[np.float32]:
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    resampled: NDArray[np.float32] = soxr.resample(audio.mean(axis=1), rate, SAMPLE_RATE)
    return resampled


def _length_s(corpus: Path, row: Row) -> float:
    header = soundfile.info(corpus / "wavs" / f"{row.id}.wav")
    return header.frames / header.samplerate


def _finish(corpus: Path, rows: list[Row], n_eval: int) -> None:
    train, held_out = divide(rows, n_eval)
    write_rows(corpus / "train.csv", train)
    write_rows(corpus / "eval.csv", held_out)


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    speak = commands.add_parser("synthesise", help="speak text by a Piper voice")
    speak.add_argument("--voice", type=Path, required=True, help="folder of the unpacked wheel of a voice")
    speak.add_argument("--hours", type=float, default=3.0, help="how long the corpus gets; with --text, at most")
    speak.add_argument("--text", type=Path, help="sentences of your own, a line each, in place of the sources'")
    speak.add_argument("--cache", type=Path, default=Path("runs/tts/text"), help="where the sources are fetched to")
    speak.add_argument("--prefix", default="joe", help="of the rows' ids")
    speak.add_argument("--seed", type=int, default=0, help="of the sentences' order and of the voice's noise")
    speak.add_argument("--threads", type=int, default=1)
    copy = commands.add_parser("read", help="take a folder in LJSpeech's layout")
    copy.add_argument("folder", type=Path)
    for command in (speak, copy):
        command.add_argument("corpus", type=Path)
        command.add_argument("--eval-sentences", type=int, default=60, help="how many are held out")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    arguments = parse_arguments(words)
    complete = {"synthesise": synthesise, "read": read}[arguments.command](arguments)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
