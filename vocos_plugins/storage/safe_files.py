"""Reads and writes the files of a checkpoint. Nothing that is read is ever executed."""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import secrets
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from .bounded_yaml import BoundedLoader

CONFIG_FILE = "config.yaml"
WEIGHTS_FILE = "model.safetensors"
LEGACY_WEIGHTS_FILE = "pytorch_model.bin"
PICKLED_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt")
MAX_YAML_VALUES = 100_000
# How torch's restricted unpickler names what it won't build, and the advice that it adds.
FORBIDDEN = re.compile(r"GLOBAL ([\w.]*\w)")
TORCH_ADVICE = re.compile(
    r"(^Weights only load failed|In PyTorch 2\.6|Check the documentation).*?(WeightsUnpickler error: |$)"
)


class CheckpointError(ValueError):
    """A checkpoint that can't be found, read, trusted or written: says which file, why and what to do."""


def read_yaml(path: Path) -> Mapping[str, Any]:
    """The mapping in a YAML file; tags that would build objects are refused.

    Raises:
        CheckpointError: there is no such file, or it holds no mapping.
    """
    try:
        content = yaml.load(path.read_bytes(), BoundedLoader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid YAML: {error}") from error
    _check_extent(content, path)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: expected a mapping, got {content!r:.60}")
    return content


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, on the CPU: safetensors, or a pickled state dict of plain tensors.

    Raises:
        CheckpointError: the file is missing, empty, damaged, of another format, or asks to run code.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    content = read_pickle(path)
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(
            f"{path}: expected a state dict of tensors, got {_describe(content)}; "
            "a training checkpoint is turned into one for inference by convert_checkpoint"
        )
    return dict(content)


def read_pickle(path: Path) -> Any:
    """What ``torch.save`` wrote, if that is tensors and plain containers.

    Raises:
        CheckpointError: as for `read_weights`.
    """
    _check_not_empty(path)
    if path.suffix not in PICKLED_SUFFIXES:
        raise CheckpointError(f"{path}: weights are .safetensors, {', '.join(PICKLED_SUFFIXES)}, not {path.suffix!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wonders aloud about a pickle's protocol before it refuses it
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged archive makes torch.load raise: there is no common class
        raise CheckpointError(f"{path} {_refusal(error)}") from error


def write_files(directory: Path, contents: Mapping[str, bytes]) -> None:
    """Writes all files or none: each goes to a temporary file beside its target, is synced, then renamed.

    Raises:
        CheckpointError: the directory can't be made or written to; files that were there are unchanged.
    """
    staged: dict[Path, Path] = {}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            temporary = directory / f".{name}.{secrets.token_hex(4)}.tmp"
            staged[directory / name] = temporary
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for target, source in staged.items():
            source.replace(target)
    except OSError as error:
        raise CheckpointError(
            f"{directory}: could not be written: {error.strerror or error}; what was there before is unchanged"
        ) from error
    finally:
        for source in staged.values():
            with contextlib.suppress(OSError):  # a directory that can't be entered: nothing was made there
                source.unlink(missing_ok=True)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _check_not_empty(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {_brief(error)}") from error


def _check_extent(content: Any, path: Path) -> None:
    """Refuses YAML whose aliases repeat themselves without end, or multiply a few lines to gigabytes."""
    waiting = [content]
    for _ in range(MAX_YAML_VALUES):
        if not waiting:
            return
        value = waiting.pop()
        if isinstance(value, (dict, list)):
            waiting.extend(value.values() if isinstance(value, dict) else value)
    raise CheckpointError(f"{path} holds more than {MAX_YAML_VALUES} values; no configuration does")


def _check_not_empty(path: Path) -> None:
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror}") from error
    if empty:
        raise CheckpointError(f"{path} is empty: a download or a copy may have been cut off")


def _refusal(error: Exception) -> str:
    """Why ``torch.load`` gave up: torch's own message advises to load the file unsafely, which is never done here."""
    message = " ".join(str(error).split())
    if isinstance(error, pickle.UnpicklingError) and (forbidden := FORBIDDEN.search(message)):
        return (
            f"was refused: besides tensors it holds {forbidden[1]}, and loading such objects can run any code. Nothing "
            "in it was executed. If you trust its origin, load it there with its own software and save the state "
            "dict alone, best as safetensors"
        )
    return f"is damaged or no file of tensors ({_brief(error)}); nothing in it was executed"


def _brief(error: Exception) -> str:
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {TORCH_ADVICE.sub('', message)[:200]}".rstrip(": ")


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"a mapping with {', '.join(map(repr, list(content)[:5]))}"
    return f"a {type(content).__name__}"
