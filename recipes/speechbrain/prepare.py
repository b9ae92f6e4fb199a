"""Writes the data of each split to a JSON file, like SpeechBrain's recipes.

An entry is ``{"wav", "duration", "bandwidth_hz", "segment", "mel_file"}``; paths below the data folder begin with
``{data_root}``, those of predicted mels with ``{mels_root}``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import soundfile
from recordings import check_mel, count_frames, count_samples
from speechbrain.utils.logger import get_logger

from vocos_plugins.mel import MelConvention
from vocos_plugins.training.sources import Recording, find_recordings

logger = get_logger(__name__)


def prepare(
    *,
    data_folder: str,
    save_folder: str,
    splits: Sequence[str],
    split_ratio: Sequence[float],
    seed: int,
    mel: MelConvention,
    segment_size: int,
    mels_folder: str | None = None,
    crops: int = 1,
    skip_prep: bool = False,
) -> None:
    """Finds the recordings, splits them and writes ``SPLIT.json``; files from the same settings are kept.

    Args:
        data_folder: a folder with audio files at any depth, a list of them (``.txt``), or a manifest (``.csv``).
        save_folder: folder for the JSON files.
        splits, split_ratio: names of the splits, and their shares of the recordings.
        seed: of the random split.
        mel: mel convention of the model.
        segment_size: samples in a training crop.
        mels_folder: folder of predicted mels, ``ID.npy`` each, where the id is the recording's path below the data
            folder without its suffix. Recordings without one are skipped.
        crops: crops of each recording in an epoch of ``train``, with an entry ``ID@N`` each.
        skip_prep: whether to use existing JSON files.

    Raises:
        ValueError: there are no recordings, or fewer than splits; or a mel isn't as long as its recording.
    """
    settings = {"data": data_folder, "ratio": list(split_ratio), "seed": seed, "mels": mels_folder, "mel": str(mel)}
    settings = {**settings, "segment_size": segment_size, "splits": list(splits), "crops": crops}
    folder = Path(save_folder)
    stamp = folder / "prepared.json"
    if skip_prep or (stamp.exists() and json.loads(stamp.read_text()) == settings):
        logger.info("The data is already prepared")
        return
    folder.mkdir(parents=True, exist_ok=True)
    root = Path(data_folder)
    entries = {}
    for recording in find_recordings(root):
        key = recording_id(recording.path, root)
        mel_file = None if mels_folder is None else Path(mels_folder) / f"{key}.npy"
        if mel_file is None or mel_file.exists():
            entries[key] = _entry(recording, root, mel, key, mel_file)
    if mels_folder is not None:
        # Shorter recordings are repeated for a crop, which a predicted mel can't be.
        entries = {key: entry for key, entry in entries.items() if entry["duration"] * mel.sample_rate >= segment_size}
        logger.info("%d recordings have predicted mels of at least a segment", len(entries))
    # Sorted, so that the splits depend on the seed and not on the file system.
    for split, keys in _divide(sorted(entries), splits, split_ratio, seed).items():
        chosen = {key: {**entries[key], "segment": split == "train"} for key in keys}
        if split == "train" and crops > 1:
            # Ids have to differ, and each seeds a crop of its own in dataio.py.
            chosen = {f"{key}@{number}": entry for number in range(crops) for key, entry in chosen.items()}
        (folder / f"{split}.json").write_text(json.dumps(chosen, indent=1))
    # Last, so that an interrupted preparation is repeated.
    stamp.write_text(json.dumps(settings))


def recording_id(path: Path, data_folder: Path) -> str:
    """Returns a recording's path below the data folder without its suffix, or its name if it lies elsewhere."""
    root = data_folder if data_folder.is_dir() else data_folder.parent
    inside = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    return inside.with_suffix("").as_posix()


def _entry(recording: Recording, root: Path, mel: MelConvention, key: str, mel_file: Path | None) -> dict[str, Any]:
    n_samples = count_samples(recording.path, mel.sample_rate)
    if mel_file is not None:
        check_mel(mel_file, mel.n_mels, count_frames(n_samples, mel.hop_length))
    path = recording.path
    inside = root.is_dir() and path.is_relative_to(root)
    source_rate = soundfile.info(path).samplerate
    return {
        "wav": f"{{data_root}}/{path.relative_to(root).as_posix()}" if inside else str(path.absolute()),
        "duration": n_samples / mel.sample_rate,
        "bandwidth_hz": float(min(recording.bandwidth_hz or source_rate / 2, source_rate / 2, mel.sample_rate / 2)),
        "mel_file": "" if mel_file is None else f"{{mels_root}}/{key}.npy",
    }


def _divide(keys: list[str], splits: Sequence[str], ratio: Sequence[float], seed: int) -> dict[str, list[str]]:
    """Splits the keys at random; each split gets at least one, the first one the rest."""
    if len(keys) < len(splits):
        raise ValueError(f"{len(keys)} recordings cannot be split into {', '.join(splits)}: each needs at least one")
    keys = list(keys)
    random.Random(seed).shuffle(keys)  # noqa: S311 - not used for security
    divided: dict[str, list[str]] = {}
    for split, share in list(zip(splits, ratio, strict=True))[1:]:
        most = len(keys) - (len(splits) - 1 - len(divided))
        n = min(max(1, round(share / sum(ratio) * (len(keys) + sum(map(len, divided.values()))))), most)
        divided[split], keys = keys[:n], keys[n:]
    return {splits[0]: keys, **divided}
