"""Reads and writes the files of a checkpoint. Nothing in them is ever executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from ..mel.shown import shown
from .atomic import atomic_writes
from .bounded_yaml import load_yaml
from .limits import MAX_CONFIG_BYTES
from .pickles import load_pickle
from .reading import brief, check_kind, read_limited

CONFIG_FILE = "config.yaml"
WEIGHTS_FILE = "model.safetensors"
LEGACY_WEIGHTS_FILE = "pytorch_model.bin"
PICKLED_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt")
LFS_POINTER = b"version https://git-lfs"


class CheckpointError(ValueError):
    """A checkpoint that can't be found, read, trusted or written; the message says which file, why and what to do."""


def read_yaml(path: Path) -> Mapping[str, Any]:
    """Returns the mapping in a YAML file. Tags that would build objects are refused.

    Raises:
        CheckpointError: the file does not exist, is not valid YAML or holds no mapping, or is too large.
    """
    with _opening(path):
        text = read_limited(path, MAX_CONFIG_BYTES)
    try:
        content = load_yaml(text)
    # PyYAML raises ValueError for impossible dates, and RecursionError for deep nesting.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: expected a mapping, got {shown(content)}")
    return content


def read_weights(path: Path) -> dict[str, Tensor]:
    """Returns the tensors of a weights file, on the CPU: safetensors, or a pickled state dict of plain tensors.

    Raises:
        CheckpointError: the file is missing, empty, damaged, in another format, or would run code.
    """
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path)
    content = read_pickle(path)
    if not isinstance(content, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise CheckpointError(
            f"{path}: expected a state dict of tensors, got {_describe(content)}; "
            "`vocos convert` turns a training checkpoint into one for inference"
        )
    return dict(content)


def read_pickle(path: Path) -> Any:
    """Returns the content of a file of ``torch.save``, if it holds only tensors and plain containers.

    Raises:
        CheckpointError: as raised by `read_weights`.
    """
    _check_not_empty(path)
    if path.suffix.lower() not in PICKLED_SUFFIXES:
        raise CheckpointError(f"{path}: weights are .safetensors, {', '.join(PICKLED_SUFFIXES)}, not {path.suffix!r}")
    try:
        return load_pickle(path)
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{path} {error}") from error


def write_files(directory: Path, contents: Mapping[str, bytes]) -> None:
    """Writes all files or none: each goes to a temporary file next to its target; all are synced, then renamed.

    Raises:
        CheckpointError: the directory can't be created or written to; existing files are unchanged.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with atomic_writes(directory / name for name in contents) as temporaries:
            for temporary, content in zip(temporaries, contents.values(), strict=True):
                temporary.write_bytes(content)
    except OSError as error:
        raise CheckpointError(
            f"{directory}: could not be written: {error.strerror or error}; what was there before is unchanged"
        ) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    # Slow to import, and only this format needs it.
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _check_not_empty(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is damaged or not a safetensors file: {brief(error, 200)}") from error


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    """Turns what the system, or a check of the file's kind and size, says into a `CheckpointError`."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(f"{path} can't be read: {reason}") from error


def _check_not_empty(path: Path) -> None:
    with _opening(path):
        check_kind(path)
        with path.open("rb") as file:
            beginning = file.read(len(LFS_POINTER))
    if beginning == LFS_POINTER:
        raise CheckpointError(
            f"{path} is a pointer of Git LFS, not the file itself: run `git lfs pull` in its repository"
        )
    if not beginning:
        raise CheckpointError(f"{path} is empty: a download or a copy may have been cut off")


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"a mapping with {', '.join(map(shown, list(content)[:5]))}"
    return f"a {type(content).__name__}"
