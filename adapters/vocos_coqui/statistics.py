"""Reads Coqui TTS's mean and deviation of each mel band, without running the pickle that holds them.

``TTS/bin/compute_statistics.py`` writes them as a pickled dictionary in an .npy file, and Coqui TTS unpickles it. Here
the few numpy objects that such a pickle holds become stand-ins that only carry numbers; any other name is refused.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vocos_plugins.mel import ConventionError, MeanStdNormalization
from vocos_plugins.mel.shown import shown
from vocos_plugins.storage.arrays import open_npz, read_member
from vocos_plugins.storage.limits import MAX_CONFIG_BYTES
from vocos_plugins.storage.pickle_outline import ForbiddenNameError, outline
from vocos_plugins.storage.reading import read_limited

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK"
KEYS = ("mel_mean", "mel_std")
MAX_NAME, MAX_NAMED = 60, 5


def load_statistics(path: str | Path) -> MeanStdNormalization:
    """Reads ``mel_mean`` and ``mel_std``, one number per band.

    Args:
        path: Coqui TTS's ``scale_stats.npy``, or an .npz with two arrays of these names.

    Raises:
        ConventionError: the file is missing, damaged, holds something else, or would run code if unpickled.
    """
    try:
        content = read_limited(Path(path), MAX_CONFIG_BYTES)
    except OSError as error:
        raise ConventionError(
            f"statistics {path} can't be read ({error.strerror}): pass statistics=load_statistics(FILE) of the "
            "model's scale_stats.npy"
        ) from error
    except ValueError as error:
        raise ConventionError(f"statistics {path} can't be read: {error}") from error
    try:
        arrays = _read_npz(content) if content.startswith(ZIP_MAGIC) else _read_npy(content)
        mean, std = (_as_tuple(arrays[key], key) for key in KEYS)
        if len(mean) != len(std):
            raise ValueError(f"mel_mean has {len(mean)} values, mel_std {len(std)}")
        return MeanStdNormalization(mean=mean, std=std)
    except ForbiddenNameError as error:
        problem = f"its pickle names {error}, which may run code; statistics hold numbers only"
        raise ConventionError(f"statistics {path}: {problem}") from error
    except ValueError as error:
        raise ConventionError(f"statistics {path}: {error}") from error
    except Exception as error:  # a damaged archive or pickle raises nearly anything
        raise ConventionError(f"statistics {path}: damaged: {type(error).__name__}: {error}") from error


def _read_npz(content: bytes) -> dict[str, Any]:
    with open_npz(io.BytesIO(content)) as members:
        return {key: read_member(members[key]) for key in _present(members)}


def _read_npy(content: bytes) -> dict[str, Any]:
    if not content.startswith(NPY_MAGIC):
        raise ValueError("neither an .npy file of Coqui TTS nor an .npz file")
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"an .npy file of format {version}, Coqui TTS writes (1, 0)")
    # The header is plain text that numpy parses; only what follows it is a pickle.
    _, _, dtype = np.lib.format.read_array_header_1_0(file)
    if not dtype.hasobject:
        raise ValueError(f"a plain array of {dtype}, expected a dictionary with {', '.join(KEYS)}")
    start = file.tell()
    outline(file, CALLABLES)
    file.seek(start)
    holder = _Unpickler(file).load()
    objects = holder.value if isinstance(holder, _Array) and isinstance(holder.value, list) else []
    content = objects[0] if len(objects) == 1 else None
    if not isinstance(content, dict):
        raise ValueError(f"holds no dictionary with {', '.join(KEYS)}")
    return {key: getattr(content[key], "value", content[key]) for key in _present(content)}


def _present(keys: Any) -> tuple[str, ...]:
    if missing := [key for key in KEYS if key not in keys]:
        names = [str(key)[:MAX_NAME] for key in list(keys)[:MAX_NAMED]]
        raise ValueError(f"missing {', '.join(missing)}; found {', '.join(names) or 'nothing'}")
    return KEYS


def _as_tuple(array: Any, key: str) -> tuple[float, ...]:
    if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind not in "fiu":
        described = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"{key} must hold one number per band, got {described}")
    values = tuple(float(value) for value in array)
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"{key} must hold finite numbers, got {shown(values)}")
    return values


# Each stand-in defines __setstate__, so that no pickle can set attributes on the class itself.
class _Dtype:
    """Stand-in for ``numpy.dtype``: ``code`` is a type code of numpy, such as ``<f4``."""

    def __init__(self, code: str, *_: object) -> None:
        self.code = code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        # O8 is the outer array, of one object: the dictionary.
        if self.code != "O8" and not (re.fullmatch(r"[fiub][1248]", self.code) and order in ("<", ">", "|", "=")):
            raise ValueError(f"arrays of {order}{self.code}, expected numbers")
        self.code = f"{order}{self.code}"


class _Array:
    """Stand-in for ``numpy.ndarray``: ``value`` is an array of numbers (C order), or a list of objects."""

    value: NDArray[Any] | list[Any]

    def __init__(self, *_: object) -> None:
        self.value = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, _, data = state
        if isinstance(data, bytes):
            self.value = np.frombuffer(data, dtype.code).reshape(shape)
        else:
            self.value = data


class _Scalar:
    """Stand-in for a numpy scalar, which the two arrays never are."""

    def __init__(self, *_: object) -> None:
        """Accepts any arguments and ignores them."""

    def __setstate__(self, state: object) -> None:
        raise ValueError("a numpy scalar has no state")


class _Bytes(bytes):
    """Stand-in for ``_codecs.encode``, with which the second protocol writes bytes as text."""

    def __new__(cls, text: str, encoding: str) -> _Bytes:
        if encoding != "latin1":
            raise ValueError(f"bytes written as {encoding}, expected latin1")
        return super().__new__(cls, text.encode("latin1"))

    def __setstate__(self, state: object) -> None:
        raise ValueError("bytes have no state")


STAND_INS: dict[tuple[str, str], type] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Bytes,
    # numpy 2 renamed numpy.core; a file has the name of the numpy that wrote it.
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Scalar for core in ("core", "_core")},
}
CALLABLES = frozenset(".".join(name) for name in STAND_INS)


class _Unpickler(pickle.Unpickler):
    """Unpickler that builds plain containers and the stand-ins above, and refuses every other name."""

    def find_class(self, module: str, name: str) -> type:
        try:
            return STAND_INS[module, name]
        except KeyError:
            raise ForbiddenNameError(f"{module}.{name}") from None
