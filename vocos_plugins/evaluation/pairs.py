"""Finds predicted mels with their recordings and texts, as the recipes' scripts write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..mel.shown import shown
from ..storage.audio import INPUT_SUFFIXES
from ..storage.folders import walk
from ..storage.listed import lines_of, resolve_path
from ..storage.mel_files import MEL_SUFFIXES
from ..storage.texts import find_text, read_metadata

AUDIO_SUFFIXES = sorted(INPUT_SUFFIXES - {".raw"})  # RAW has no header with sample rate and channels


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A predicted mel, and what is known of its sentence.

    Attributes:
        name: where it stands, for messages and tables.
        mel: file of the predicted mel.
        recording: file of the recording with which it is aligned; None if there is none.
        text: what is said; empty if unknown.
        error: why the pair can't be used; empty if it can.
    """

    name: str
    mel: Path
    recording: Path | None = None
    text: str = ""
    error: str = ""


def find_pairs(predicted: Path, recordings: Path | None = None) -> list[Pair]:
    """Finds the pairs of a source.

    Args:
        predicted: a manifest of JSON lines with ``mel_filepath`` and, if known, ``audio_filepath`` and ``text``
            (NeMo's), relative to its folder; or a folder of mels.
        recordings: with a folder of mels, the folder where each has its recording, under the same path but for the
            suffix; None if there are none. Texts are in ``ID.normalized.txt``, ``ID.txt`` or ``ID.lab`` beside the
            recording or mel, or in the folder's ``metadata.csv`` as LJSpeech has it.

    Raises:
        ValueError: a source is missing or empty.
    """
    for path in (predicted, recordings):
        if path is not None and not path.exists():
            raise ValueError(f"{path}: no such file or folder")
    if predicted.is_dir():
        if recordings is not None and not recordings.is_dir():
            raise ValueError(f"{recordings}: expected the folder of the recordings of {predicted}")
        pairs = list(_from_folder(predicted, recordings))
    elif recordings is not None:
        raise ValueError(f"{predicted}: a manifest names its recordings as audio_filepath; leave out --data")
    else:
        pairs = [_from_line(predicted, number, line) for number, line in lines_of(predicted)]
    if not pairs:
        raise ValueError(f"{predicted}: no mels; expected {', '.join(sorted(MEL_SUFFIXES))} files or JSON lines")
    return pairs


def _from_folder(folder: Path, recordings: Path | None) -> Iterator[Pair]:
    metadata = read_metadata(recordings or folder)
    for mel in walk(folder, _refuse_folder):
        if mel.suffix.lower() not in MEL_SUFFIXES:
            continue
        name = mel.relative_to(folder)
        stem = (recordings or folder) / name.with_suffix("")
        found, error = None, ""
        if recordings is not None:
            found = next((file for each in AUDIO_SUFFIXES if (file := Path(f"{stem}{each}")).is_file()), None)
            error = "" if found else f"no recording: no audio file {stem}.*"
        yield Pair(name=str(name), mel=mel, recording=found, text=find_text(stem, metadata), error=error)


def _refuse_folder(folder: Path, error: OSError) -> None:
    raise ValueError(f"{folder}: can't be read: {error.strerror}") from error


def _from_line(manifest: Path, number: int, line: str) -> Pair:
    name = f"{manifest.name}, line {number}"
    try:
        fields: dict[str, Any] = json.loads(line)
        if not isinstance(fields, dict):
            raise ValueError(f"expected a JSON object, got {shown(fields)}")
        mel = _listed(fields, "mel_filepath", manifest)
        if mel is None:
            raise ValueError("no path under 'mel_filepath'")
        recording = _listed(fields, "audio_filepath", manifest)
        text = str(fields.get("normalized_text") or fields.get("text") or "")
    except (ValueError, RecursionError) as error:
        return Pair(name=name, mel=manifest, error=str(error))
    missing = next((file for file in (mel, recording) if file is not None and not file.is_file()), None)
    why = "" if missing is None else f"no such file: {missing}"
    return Pair(name=name, mel=mel, recording=recording, text=text, error=why)


def _listed(fields: dict[str, Any], key: str, manifest: Path) -> Path | None:
    value = fields.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{key} must be a path, got {shown(value)}")
    return resolve_path(value, manifest.parent) if value else None
