"""Reads the configuration of a NeMo model from its ``.nemo`` archive, its unpacked folder or a training YAML.

From an archive only ``model_config.yaml`` is read, and nothing is unpacked to disk.
"""

from __future__ import annotations

import re
import reprlib
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from vocos_plugins.mel import ConventionError
from vocos_plugins.storage.bounded_yaml import BoundedLoader, load_yaml

CONFIG_FILE = "model_config.yaml"
ARCHIVE_SUFFIX = ".nemo"
YAML_SUFFIXES = (".yaml", ".yml")
# The longest configurations, with word lists and tokenizers, have some hundred KiB.
MAX_BYTES = 1 << 20
BROKEN_ARCHIVE = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError)
MALFORMED = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError)


def is_model(path: Path) -> bool:
    """Whether a path names a NeMo model: a ``.nemo`` file, or its ``model_config.yaml``, or the folder with that."""
    file = path / CONFIG_FILE if path.is_dir() else path
    return file.is_file() and (file.suffix == ARCHIVE_SUFFIX or file.name == CONFIG_FILE)


def read_configuration(path: Path) -> dict[str, Any] | None:
    """Reads the whole configuration, interpolations unresolved.

    Args:
        path: a ``.nemo`` file, plain or gzipped; a folder with its ``model_config.yaml``; or a YAML file.

    Returns:
        None if it is none of those, or a YAML file that is not a configuration.

    Raises:
        ConventionError: a ``.nemo`` file or a ``model_config.yaml`` is damaged, incomplete or too large, or a file
            can't be opened.
    """
    file = path / CONFIG_FILE if path.is_dir() else path
    if not is_model(file) and not (file.is_file() and file.suffix in YAML_SUFFIXES):
        return None
    try:
        content = _read_archive(file) if file.suffix == ARCHIVE_SUFFIX else _read_file(file)
        tree = load_yaml(content, _Loader)
        if not isinstance(tree, dict):
            raise ValueError(f"expected a mapping, got {reprlib.repr(tree)}")
    except MALFORMED as error:
        if is_model(file):
            raise ConventionError(f"{file} has no valid configuration: {error}") from error
        return None
    return tree


def _read_archive(file: Path) -> bytes:
    try:
        with tarfile.open(file, "r:*") as archive:
            for member in archive:
                # NeMo writes ./model_config.yaml, older versions the bare name.
                # Only a regular file: a link could lead out of the archive.
                if PurePosixPath(member.name) != PurePosixPath(CONFIG_FILE) or not member.isreg():
                    continue
                stream = archive.extractfile(member)
                if stream is not None:
                    return _bounded(stream.read(MAX_BYTES + 1))
    except BROKEN_ARCHIVE as error:
        raise ValueError(f"not a complete tar archive ({error})") from error
    raise ValueError(f"the archive has no {CONFIG_FILE}")


def _read_file(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            # One byte more than allowed shows that the file is too large, without reading all of it.
            return _bounded(stream.read(MAX_BYTES + 1))
    except OSError as error:
        raise ConventionError(f"{file} can't be read: {error.strerror}") from error


def _bounded(content: bytes) -> bytes:
    if len(content) > MAX_BYTES:
        raise ValueError(f"{CONFIG_FILE} has more than {MAX_BYTES} bytes")
    return content


class _Loader(BoundedLoader):
    """Plain YAML with the numbers that OmegaConf reads."""


# YAML 1.1 reads 1e-05 as text; nearly every NeMo configuration has it.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)
