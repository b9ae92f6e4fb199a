"""EnCodec codes in files: of ``vocos encode``, of EnCodec, and Bark's voices. Nothing in a file is ever executed."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...config import EncodecCodes
from ...mel.shown import shown
from ...storage.arrays import open_npz, read_member, read_npy
from ...storage.atomic import atomic_write
from ...storage.reading import reading

CODES = EncodecCodes()
# Names of arrays that hold codes: in files of ``vocos encode``, and in Bark's voices.
NAMES = ("codes", "fine_prompt")
ABOUT = ("n_samples", "sample_rate")
ECDC_HEADER = struct.Struct("!4sBI")  # encodec/binary.py: magic, version, bytes of JSON
# A codebook has 1024 entries. A header of EnCodec has about 60 bytes; the limit is against damaged and hostile files.
CODE_BITS = 10
MAX_HEADER_BYTES = 10_000
BLOCK_VALUES = 2**16
MAX_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class StoredCodes:
    """Codes from a file.

    Attributes:
        codes: int64 ``(Q, T)``.
        n_samples: length of the audio that they encode; None if the file does not record it.
    """

    codes: Tensor
    n_samples: int | None = None


def read_codes(path: Path) -> StoredCodes:
    """Reads the codes of one recording.

    Args:
        path: ``.npz``, of ``vocos encode`` or a voice of Bark; ``.npy``, an array ``(Q, T)``; or ``.ecdc``, written by
            the package encodec from mono audio at 24 kHz, without its language model.

    Raises:
        OSError: the file does not exist or can't be opened.
        ValueError: it is damaged, of another kind, or does not hold the codes of one recording.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"unknown suffix {path.suffix!r}; codes are read from {', '.join(sorted(READERS))}")
    with reading(path):
        return reader(path)


def write_codes(path: Path, codes: Tensor, n_samples: int) -> None:
    """Writes codes ``(Q, T)`` atomically.

    Args:
        path: ``.npz``, which also stores `n_samples` and the sample rate, or ``.npy``. Folders are created.
        codes: of the 24 kHz model.
        n_samples: length of the audio that they encode.

    Raises:
        ValueError: another suffix.
        OSError: no permission, or a full disk.
    """
    if path.suffix.lower() not in WRITERS:
        raise ValueError(f"{path}: codes are written to {', '.join(sorted(WRITERS))}, not {path.suffix!r}")
    # Codes are below 1024, so 16 bits are enough.
    array = codes.cpu().numpy().astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, sweep=False) as temporary, temporary.open("wb") as file:
        if path.suffix.lower() == ".npy":
            np.save(file, array)
        else:
            np.savez_compressed(file, codes=array, n_samples=n_samples, sample_rate=CODES.sample_rate)


def _read_npy(path: Path) -> StoredCodes:
    return StoredCodes(codes=_as_codes(read_npy(path)))


def _read_npz(path: Path) -> StoredCodes:
    with open_npz(path) as members:
        name = _name_of_codes(members)
        arrays = {each: read_member(members[each]) for each in (name, *ABOUT) if each in members}
    if (rate := _optional(arrays, "sample_rate")) not in (None, CODES.sample_rate):
        raise ValueError(f"its codes are for {rate} Hz, expected {CODES.sample_rate}")
    stored = StoredCodes(codes=_as_codes(arrays[name]), n_samples=_optional(arrays, "n_samples"))
    if stored.n_samples is not None and -(-stored.n_samples // CODES.hop_length) != stored.codes.shape[1]:
        raise ValueError(f"it has {stored.codes.shape[1]} frames, which do not match n_samples={stored.n_samples}")
    return stored


def _name_of_codes(arrays: Mapping[str, Any]) -> str:
    name = next((name for name in NAMES if name in arrays), next(iter(arrays)) if len(arrays) == 1 else None)
    if name is None:
        found = ", ".join(each[:60] for each in list(arrays)[:MAX_NAMED]) or "nothing"
        raise ValueError(f"expected an array called {' or '.join(NAMES)}; found {found}")
    return name


def _optional(arrays: Mapping[str, Any], name: str) -> int | None:
    return int(arrays[name]) if name in arrays else None


def _read_ecdc(path: Path) -> StoredCodes:
    content = path.read_bytes()
    about, start = _read_ecdc_header(content)
    n_samples, n_codebooks = about.get("al"), about.get("nc")
    if about.get("m") != "encodec_24khz":
        raise ValueError(
            f"it was compressed with {shown(about.get('m'))}; only mono audio of encodec_24khz can be decoded"
        )
    # Entropy-coded with the probabilities of EnCodec's own network, which is needed to decode them.
    if about.get("lm"):
        raise ValueError("it was compressed with EnCodec's language model; compress it again without --lm")
    if not isinstance(n_samples, int) or not isinstance(n_codebooks, int) or n_samples < 1 or n_codebooks < 1:
        raise ValueError(f"its header is damaged: al={shown(n_samples)}, nc={shown(n_codebooks)}")
    n_frames = -(-n_samples // CODES.hop_length)
    # encodec/binary.py, BitPacker: least significant bit first, all codebooks of a frame together. The last byte is
    # padded.
    packed = np.frombuffer(content, np.uint8, offset=start)
    n_values = n_frames * n_codebooks
    if len(packed) * 8 < n_values * CODE_BITS:
        raise ValueError(f"truncated: expected {n_values * CODE_BITS // 8} bytes of codes, found {len(packed)}")
    values = _unpack(packed, n_values).reshape(n_frames, n_codebooks)
    return StoredCodes(codes=torch.from_numpy(values.T.astype(np.int64)), n_samples=n_samples)


def _unpack(packed: NDArray[np.uint8], n_values: int) -> NDArray[np.int16]:
    """Returns the codes in a stream of bits, in blocks, since an array of bits is much larger than its file."""
    values, n_bytes = np.empty(n_values, np.int16), BLOCK_VALUES * CODE_BITS // 8
    for first in range(0, n_values, BLOCK_VALUES):
        block = values[first : first + BLOCK_VALUES]
        start = first * CODE_BITS // 8
        bits = np.unpackbits(packed[start : start + n_bytes], bitorder="little")[: len(block) * CODE_BITS]
        block[:] = bits.reshape(-1, CODE_BITS) @ (1 << np.arange(CODE_BITS))
    return values


def _read_ecdc_header(content: bytes) -> tuple[Mapping[str, Any], int]:
    """Returns the header's fields, and the offset of the codes."""
    if len(content) < ECDC_HEADER.size or content[:4] != b"ECDC":
        raise ValueError("not a file written by EnCodec: it does not start with ECDC")
    _, version, size = ECDC_HEADER.unpack_from(content)
    if version != 0 or size > MAX_HEADER_BYTES:
        raise ValueError(f"its header is damaged or has a later version: version {version}, {size} bytes")
    try:
        about = json.loads(content[ECDC_HEADER.size : ECDC_HEADER.size + size])
    except ValueError as error:
        raise ValueError(f"its header is damaged: {error}") from error
    if not isinstance(about, Mapping):
        raise ValueError(f"its header is damaged: {shown(about)}")
    return about, ECDC_HEADER.size + size


def _as_codes(array: Any) -> Tensor:
    """Returns codes ``(Q, T)``; also from ``(Q, 1, T)`` and ``(1, Q, T)``, which have a batch dimension of 1."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu":
        dtype = getattr(array, "dtype", type(array).__name__)
        raise ValueError(f"expected integers, got {dtype}; decode mels without --codes")
    if array.ndim == 3 and 1 in array.shape[:2]:
        array = array.squeeze(0 if array.shape[0] == 1 else 1)
    if array.ndim != 2:
        raise ValueError(f"expected codes of one recording, (codebooks, frames), got shape {array.shape}")
    if array.shape[1] == 0:
        raise ValueError(f"it has no frames: shape {array.shape}")
    # Bark's own voices have int32, and one uint16, with which torch can't index.
    return torch.from_numpy(array.astype(np.int64))


READERS: dict[str, Callable[[Path], StoredCodes]] = {".npy": _read_npy, ".npz": _read_npz, ".ecdc": _read_ecdc}
CODE_SUFFIXES = frozenset(READERS)
WRITERS = frozenset({".npy", ".npz"})
