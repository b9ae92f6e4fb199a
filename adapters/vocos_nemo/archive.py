"""Reads the configuration of a NeMo model from its ``.nemo`` archive, its unpacked folder or a training YAML.

From an archive only ``model_config.yaml`` is read, and nothing is unpacked to disk.
"""

from __future__ import annotations

import io
import re
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Any

import yaml

from vocos_plugins.mel import ConventionError
from vocos_plugins.mel.shown import shown
from vocos_plugins.storage.bounded_yaml import BoundedLoader, load_yaml
from vocos_plugins.storage.limits import MAX_CONFIG_BYTES, MAX_MEMBERS, may_unfold_to
from vocos_plugins.storage.reading import check_kind, read_limited
from vocos_plugins.storage.unfolding import Unfolded

CONFIG_FILE = "model_config.yaml"
ARCHIVE_SUFFIX = ".nemo"
YAML_SUFFIXES = (".yaml", ".yml")
BLOCK = 2**16  # bytes
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
            raise ValueError(f"expected a mapping, got {shown(tree)}")
    except MALFORMED as error:
        if is_model(file):
            raise ConventionError(f"{file} has no valid configuration: {error}") from error
        return None
    return tree


def copy_member(archive: Path, name: str, copy: IO[bytes], limit: int | None = None) -> None:
    """Copies one file out of an archive, and nothing else.

    Args:
        archive: a tar, plain or gzipped, as NeMo writes them.
        name: of the file, at the archive's top.
        copy: receives its content.
        limit: bytes that it may have; None allows what an archive of this size may unfold to.

    Raises:
        ValueError: the archive is damaged or lacks the file, or the file is larger, or has holes.
    """
    most = may_unfold_to(check_kind(archive)) if limit is None else limit
    try:
        with Unfolded(archive, most_at_once=BLOCK) as content, tarfile.open(fileobj=content, mode="r:") as tar:
            for number, member in enumerate(tar):
                if number >= MAX_MEMBERS:
                    raise ValueError(f"it has more than {MAX_MEMBERS} files")
                # NeMo writes ./model_config.yaml, older versions the bare name. Only a regular file: a link could lead
                # out of the archive.
                if PurePosixPath(member.name) != PurePosixPath(name) or not member.isreg():
                    continue
                if member.issparse():  # a short archive can claim any number of zeros
                    raise ValueError(f"its {name} is stored with holes; pack it again with tar --no-sparse")
                if not 0 <= member.size <= most:
                    raise ValueError(f"its {name} has more than {most} bytes")
                if (stream := tar.extractfile(member)) is not None:
                    shutil.copyfileobj(stream, copy, BLOCK)
                    return
    except BROKEN_ARCHIVE as error:
        raise ValueError(f"not a complete tar archive ({error})") from error
    raise ValueError(f"the archive has no {name}")


def _read_archive(file: Path) -> bytes:
    content = io.BytesIO()
    copy_member(file, CONFIG_FILE, content, MAX_CONFIG_BYTES)
    return content.getvalue()


def _read_file(file: Path) -> bytes:
    try:
        return read_limited(file, MAX_CONFIG_BYTES)
    except OSError as error:
        raise ConventionError(f"{file} can't be read: {error.strerror}") from error


class _Loader(BoundedLoader):
    """Plain YAML with the numbers that OmegaConf reads."""


# YAML 1.1 reads 1e-05 as text; nearly every NeMo configuration has it.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)
