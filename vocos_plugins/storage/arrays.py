"""Reads NumPy's .npy and .npz files. Nothing in them is unpickled, and nothing is allocated for what can't be there."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from .limits import MAX_RECORDS, check_unfolded

# zipfile unfolds whole blocks of the others, of which a small one can hold gigabytes.
METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}
# NumPy reads headers of up to 10,000 bytes, but makes room for what the header claims to have.
MAX_HEADER_BYTES = 2**16
HEADERS: dict[tuple[int, int], tuple[int, Callable[..., Any]]] = {
    (1, 0): (2, np.lib.format.read_array_header_1_0),
    (2, 0): (4, np.lib.format.read_array_header_2_0),
    (3, 0): (4, np.lib.format.read_array_header_2_0),
}


@dataclass(frozen=True)
class Member:
    """An array in an .npz, not read yet."""

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo
    size_of_file: int


def read_npy(path: Path) -> NDArray[Any]:
    """Reads the array in an .npy file.

    Raises:
        OSError: the file can't be opened.
        ValueError: it is damaged, or holds objects.
    """
    with path.open("rb") as file:  # np.load takes other files for pickles and advises loading them
        return _read(file, path.stat().st_size, ".npy")


@contextmanager
def open_npz(file: Path | IO[bytes]) -> Iterator[Mapping[str, Member]]:
    """Opens an .npz file, and returns its arrays by their names.

    Raises:
        OSError: the file can't be opened.
        ValueError: it is damaged.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            # The list of members stands at the end.
            size = cast("IO[bytes]", archive.fp).seek(0, os.SEEK_END)
            records = archive.infolist()
            if len(records) > MAX_RECORDS:
                raise ValueError(f"its archive has {len(records)} records; at most {MAX_RECORDS} are read")
            yield {info.filename.removesuffix(".npy"): Member(archive, info, size) for info in records}
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"not a readable .npz: {error}") from error


def read_member(member: Member) -> NDArray[Any]:
    """Reads an array of an open .npz.

    Raises:
        ValueError: it is damaged, encrypted, packed in an unusual way, holds objects, or unfolds to more than a file of
            this size may.
    """
    info = member.info
    check_unfolded(info.file_size, member.size_of_file, "its array")
    if info.compress_type not in METHODS:
        raise ValueError(f"its arrays must be {' or '.join(METHODS.values())}; save it with numpy.savez_compressed")
    try:
        file = member.archive.open(info)
    except RuntimeError as error:
        raise ValueError(f"not a readable .npz: {error}") from error
    with file:
        return _read(file, info.file_size, ".npz")


def _read(file: IO[bytes], size: int, kind: str) -> NDArray[Any]:
    """Reads an array in NumPy's format from a file of that size."""
    try:
        version = np.lib.format.read_magic(file)
        if version not in HEADERS:
            raise ValueError(f"its format {version} is not known")
        width, read_header = HEADERS[version]
        start = file.tell()
        length = int.from_bytes(file.read(width), "little")
        if length > min(MAX_HEADER_BYTES, size):
            raise ValueError(f"its header claims to have {length} bytes")
        file.seek(start)
        shape, _, dtype = read_header(file)
        promised, left = math.prod(shape) * dtype.itemsize, size - file.tell()
        if promised > left and not dtype.hasobject:
            raise ValueError(f"truncated: its header promises {promised} bytes of values, but it has {left}")
        file.seek(0, os.SEEK_SET)
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # what NumPy raises for a damaged header has no common class
        raise ValueError(f"not a readable {kind}: {' '.join(str(error).split())[:200]}") from error
    return array
