"""Reads and writes the files of a checkpoint. Nothing in them is ever executed."""

from __future__ import annotations

import pickle
import re
import reprlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from .atomic import atomic_writes
from .bounded_yaml import load_yaml

CONFIG_FILE = "config.yaml"
WEIGHTS_FILE = "model.safetensors"
LEGACY_WEIGHTS_FILE = "pytorch_model.bin"
PICKLED_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt")
LFS_POINTER = b"version https://git-lfs"
MAX_YAML_VALUES = 100_000
# How torch's restricted unpickler names what it won't build, and the advice that it adds.
FORBIDDEN = re.compile(r"GLOBAL ([\w.]*\w)")
TORCH_ADVICE = re.compile(
    r"(^Weights only load failed|In PyTorch 2\.6|Check the documentation).*?(WeightsUnpickler error: |$)"
)


class CheckpointError(ValueError):
    """A checkpoint that can't be found, read, trusted or written; the message says which file, why and what to do."""


def read_yaml(path: Path) -> Mapping[str, Any]:
    """Returns the mapping in a YAML file. Tags that would build objects are refused.

    Raises:
        CheckpointError: the file does not exist, is not valid YAML or holds no mapping.
    """
    try:
        content = load_yaml(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror}") from error
    # PyYAML raises ValueError for impossible dates, and RecursionError for deep nesting.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid YAML: {error}") from error
    _check_extent(content, path)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: expected a mapping, got {reprlib.repr(content)}")
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
            f"{path}: expected a state dict, tensors by name, got {_describe(content)}; "
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about a pickle's protocol before it refuses it
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch.load raises for a damaged archive has no common class
        raise CheckpointError(f"{path} {_refusal(error)}") from error


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
        raise CheckpointError(f"{path} is damaged or not a safetensors file: {_brief(error)}") from error


def _check_extent(content: Any, path: Path) -> None:
    """Refuses YAML whose aliases recurse without end, or expand a few lines to gigabytes."""
    # An alias is one object in memory, but code that walks a configuration meets it at each use: so it is counted.
    waiting = [content]
    for _ in range(MAX_YAML_VALUES):
        if not waiting:
            return
        value = waiting.pop()
        if isinstance(value, (dict, list)):
            waiting.extend(value.values() if isinstance(value, dict) else value)
    raise CheckpointError(f"{path} holds more than {MAX_YAML_VALUES} values; no configuration is that large")


def _check_not_empty(path: Path) -> None:
    try:
        with path.open("rb") as file:
            beginning = file.read(len(LFS_POINTER))
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror}") from error
    if beginning == LFS_POINTER:
        raise CheckpointError(
            f"{path} is a pointer of Git LFS, not the file itself: run `git lfs pull` in its repository"
        )
    if not beginning:
        raise CheckpointError(f"{path} is empty: a download or a copy may have been cut off")


def _refusal(error: Exception) -> str:
    """Explains why ``torch.load`` failed. Its own message advises loading the file unsafely, which is not done here."""
    message = " ".join(str(error).split())
    if isinstance(error, pickle.UnpicklingError) and (forbidden := FORBIDDEN.search(message)):
        return (
            f"was refused: besides tensors it holds {forbidden[1]}, and loading such objects can run any code. Nothing "
            "in it was executed. If you trust its origin, load it with the software that wrote it and save only the "
            "state dict, preferably as safetensors"
        )
    return f"is damaged or not a file of tensors ({_brief(error)}); nothing in it was executed"


def _brief(error: Exception) -> str:
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {TORCH_ADVICE.sub('', message)[:200]}".rstrip(": ")


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"a mapping with {', '.join(map(reprlib.repr, list(content)[:5]))}"
    return f"a {type(content).__name__}"
