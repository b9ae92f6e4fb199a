"""Lists in plain text: one path per line, NeMo's and SpeechBrain's JSON, LJSpeech's ``metadata.csv``.

A bad line becomes a job with an error, which the command reports after all others are done.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...mel.shown import shown
from ...storage.listed import find_listed, is_comment, lines_of, open_text
from ...storage.reading import check_file
from .jobs import Job, describe
from .naming import Search

Fields = dict[str, Any]
DATA_FOLDERS = ("{data_root}", "{data_folder}")


def read_list(path: Path, search: Search) -> Iterator[Job]:
    """Yields a job for each line: a path, or columns of which the first is a path, separated by ``|`` or tabs.

    Lines that begin with ``#`` are comments.
    """
    folder = search.folder_of(path)

    def job(line: str) -> Job | None:
        if is_comment(line, folder):
            return None
        file = find_listed(line, folder, search.read) or search.resolve(line, path)
        return Job(source=file, target=search.output_path(search.output_name(file, path)))

    return _each_line(path, job)


def read_nemo(path: Path, search: Search) -> Iterator[Job]:
    """Yields a job for each line, a JSON object.

    It has ``audio_filepath`` with ``offset`` and ``duration`` in seconds, or ``mel_filepath``.
    """
    key = f"{search.kind}_filepath"

    def job(line: str) -> Job:
        fields: Fields = json.loads(line)
        file = search.resolve(_text(fields, key), path)
        name = search.output_name(file, path)
        if search.kind == "mel":
            return Job(source=file, target=search.output_path(name))
        start_s, duration_s = float(fields.get("offset") or 0.0), fields.get("duration")
        duration_s = None if duration_s is None else float(duration_s)
        if not math.isfinite(start_s) or not math.isfinite(duration_s or 0.0):
            raise ValueError(f"offset and duration must be seconds, got {start_s} and {duration_s}")
        # Several parts of one file need outputs of their own.
        if fields.get("offset") is not None:
            name += f"-{start_s:.3f}" if duration_s is None else f"-{start_s:.3f}-{start_s + duration_s:.3f}"
        return Job(source=file, target=search.output_path(name), start_s=start_s, duration_s=duration_s)

    return _each_line(path, job)


def read_speechbrain(path: Path, search: Search) -> Iterator[Job]:
    """Yields a job for each utterance of a JSON object, which maps ids to utterances.

    An utterance has ``wav``, with ``start`` and ``stop`` in samples, or ``mel``. ``wav`` is a path or, as for
    `speechbrain.dataio.dataio.read_audio`, ``{"file", "start", "stop"}``. ``{data_root}`` stands for the list's root.
    """
    key = "wav" if search.kind == "audio" else "mel"
    root = str(search.root or path.parent)
    with open_text(path) as file:
        content = json.load(file)
    if not isinstance(content, dict):
        raise TypeError("expected an object that maps ids to utterances")

    def job(name: str, utterance: Any) -> Job:
        if not isinstance(utterance, dict):
            raise TypeError(f"expected an object with {key!r}, got {shown(utterance)}")
        fields: Fields = utterance[key] if isinstance(utterance.get(key), dict) else utterance
        text = _text(fields, "file" if fields is not utterance else key)
        for placeholder in DATA_FOLDERS:
            text = text.replace(placeholder, root)
        file = search.resolve(text, path)
        part = _seconds(file, fields.get("start"), fields.get("stop")) if key == "wav" else (0.0, None)
        return Job(source=file, target=search.output_path(name), start_s=part[0], duration_s=part[1])

    for name, utterance in content.items():
        try:
            yield job(name, utterance)
        except Exception as error:
            yield Job(source=path, target=search.out, error=f"{name!r}: {describe(error)}")


def read_ljspeech(path: Path, search: Search) -> Iterator[Job]:
    """Yields a job for each line ``id|text|normalised text``, as in Coqui TTS: the recordings are ``wavs/id.wav``.

    A line whose first column is the path of a file, such as ``wavs/id.wav|speaker|text``, is read as by `read_list`.
    """
    if search.kind == "mel":
        raise ValueError("LJSpeech's metadata.csv lists recordings, not mels")

    folder = search.folder_of(path)

    def job(line: str) -> Job | None:
        if is_comment(line, folder):
            return None
        first = line.split("|", 1)[0].strip()
        name = first.removesuffix(".wav")
        file = search.resolve(f"wavs/{name}.wav", path)
        listed = search.resolve(first, path)
        if not os.path.isfile(file) and (os.path.isfile(listed) or ("/" in first and listed.suffix in search.read)):
            return Job(source=listed, target=search.output_path(search.output_name(listed, path)))
        return Job(source=file, target=search.output_path(name))

    return _each_line(path, job)


def _each_line(path: Path, job: Callable[[str], Job | None]) -> Iterator[Job]:
    """Yields what a function makes of each line; None for a line without an item."""
    for number, line in lines_of(path):
        try:
            made = job(line)
        except Exception as error:
            made = Job(source=path, target=path, error=f"line {number}: {describe(error)}")
        if made is not None:
            yield made


def _text(fields: Fields, key: str) -> str:
    value = fields.get(key) if isinstance(fields, dict) else None
    if not isinstance(value, str) or not value:
        raise ValueError(f"no path under {key!r}")
    return value


def _seconds(file: Path, start: int | None, stop: int | None) -> tuple[float, float | None]:
    """Returns a range of samples, without ``stop``, as a start and a duration; an empty range is the whole file."""
    # As in SpeechBrain's read_audio (dataio/dataio.py), where equal start and stop mean the whole file.
    if not start and not stop:
        return 0.0, None
    import soundfile  # the command's help is shown without it

    check_file(file)
    try:
        rate: int = soundfile.info(os.fsencode(file)).samplerate
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{file}: {error.error_string}") from error
    first = int(start or 0)
    return first / rate, None if stop is None or int(stop) == first else (int(stop) - first) / rate
