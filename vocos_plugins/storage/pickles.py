"""Reads files of ``torch.save``. Their opcodes are looked through before torch's restricted reader runs them."""

from __future__ import annotations

import functools
import io
import mmap
import pickle
import re
import tarfile
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor

from .limits import MAX_PICKLE_BYTES, MAX_RECORDS, check_unfolded, may_unfold_to
from .pickle_outline import ForbiddenNameError, RefusedPickleError, Value, outline

ZIP_MAGIC = b"PK\3\4"
ZIP_ENDS = (56, 20, 22)  # bytes of the records that end an archive: of 64 bits, where that one is, of 32 bits
# torch/serialization.py: files of before 1.6 begin with pickles of this number, the protocol and the system.
MAGIC_NUMBER, N_PICKLES = 0x1950A86A20F9469CFC6C, 5
REBUILDERS = ("tensor", "tensor_v2", "tensor_v3", "parameter", "parameter_with_state", "qtensor", "sparse_tensor")
CALLABLES = frozenset(
    {
        *(f"torch._utils._rebuild_{name}" for name in (*REBUILDERS, "meta_tensor_no_storage")),
        *("torch.Size", "torch.device", "torch.serialization._get_layout"),
        *("collections.OrderedDict", "collections.Counter", "builtins.set", "builtins.complex", "_codecs.encode"),
    }
)
# How torch's restricted unpickler names what it won't build, and the advice that it adds.
FORBIDDEN = re.compile(r"GLOBAL ([\w.]*\w)")
TORCH_ADVICE = re.compile(
    r"(^Weights only load failed|In PyTorch 2\.6|Check the documentation).*?(WeightsUnpickler error: |$)"
)


def load_pickle(path: Path) -> Any:
    """Returns the content of a file of ``torch.save``, if it holds only tensors and plain containers.

    Raises:
        ValueError: it is damaged, holds something else, or would take too much time or memory; the message begins with
            a verb.
    """
    size = path.stat().st_size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about a pickle's protocol before it refuses it
            with path.open("rb") as file:
                _look_through(file, size)
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch.load raises for a damaged archive has no common class
        raise ValueError(_refusal(error)) from error
    if (total := _bytes_of_tensors(content)) > may_unfold_to(size):
        raise ValueError(f"has tensors that repeat stored values and would take {total} bytes; save x.contiguous()")
    return content


def _look_through(file: IO[bytes], size: int) -> None:
    magic = file.read(len(ZIP_MAGIC))
    file.seek(0)
    if magic == ZIP_MAGIC:
        _check_archive(file, size)
        file.seek(0)
        # torch's own reader, so that there is no other file in the archive that it could take instead.
        content = torch._C.PyTorchFileReader(file).get_record("data.pkl")
        outlines = [outline(io.BytesIO(content), CALLABLES)]
    else:
        outlines = _outlines_of_legacy_file(file)
    declared: dict[str, int] = {}
    for each in outlines:
        _add_storages(each, declared)
    check_unfolded(sum(declared.values()), size, "its pickle declares storages, which")


def _check_archive(file: IO[bytes], size: int) -> None:
    """Adds up what the records of an archive unfold to, before any is read.

    zipfile and torch must see the same list of records: there may be no other.
    """
    file.seek(max(0, size - sum(ZIP_ENDS)))
    end = file.read()
    locator, last = end[-ZIP_ENDS[1] - ZIP_ENDS[2] : -ZIP_ENDS[2]], end[-ZIP_ENDS[2] :]
    if last[:4] != b"PK\5\6":
        raise zipfile.BadZipFile("its archive was cut off, or has a comment")
    if locator[:4] == b"PK\6\7" and int.from_bytes(locator[8:16], "little") != size - sum(ZIP_ENDS):
        raise RefusedPickleError("its archive has a second list of records")
    with zipfile.ZipFile(file) as archive:
        records = archive.infolist()
    if len(records) > MAX_RECORDS:
        raise RefusedPickleError(f"its archive has {len(records)} records; at most {MAX_RECORDS} are read")
    if len({record.orig_filename.lower() for record in records}) < len(records) or not any(
        record.header_offset == 0 for record in records
    ):
        raise RefusedPickleError("its archive names a record twice, or has a second list of records")
    check_unfolded(sum(record.file_size for record in records), size, "its archive")
    for record in records:
        if record.filename.endswith(".pkl") and record.file_size > MAX_PICKLE_BYTES:
            raise RefusedPickleError(f"its pickle has {record.file_size} bytes; at most {MAX_PICKLE_BYTES} are read")


def _outlines_of_legacy_file(file: IO[bytes]) -> list[Value]:
    """Outlines the pickles at the start of a file from before torch 1.6."""
    head = file.read(tarfile.BLOCKSIZE)
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        pass
    else:  # of before torch 0.1.10; torch would unpack it to disk
        raise RefusedPickleError("it is a tar archive, not a file of tensors")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        first = outline(cast("IO[bytes]", mapped), CALLABLES)
        if first.value != MAGIC_NUMBER:
            raise RefusedPickleError("it does not begin as torch.save does")
        return [outline(cast("IO[bytes]", mapped), CALLABLES) for _ in range(1, N_PICKLES)]


def _add_storages(root: Value, declared: dict[str, int]) -> None:
    """Adds the bytes of the storages that an outline names, by their keys."""
    waiting, seen = [root], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        waiting += value.parts
        if value.kind == "stored":
            _, kind, key, _, numel, *_ = value.parts[0].parts
            if kind.kind != "name" or key.kind != "text" or numel.kind != "whole" or numel.value < 0:
                raise RefusedPickleError("its pickle is damaged: a storage has no type, name or size")
            n_bytes = numel.value * _width(kind.value)
            declared[key.value] = max(declared.get(key.value, 0), n_bytes)


@functools.cache
def _width(name: str) -> int:
    """Returns the bytes of a value in a storage of torch, such as ``torch.FloatStorage``."""
    dtype = getattr(getattr(torch, name.rpartition(".")[2], None), "dtype", None)
    return dtype.itemsize if isinstance(dtype, torch.dtype) else 1


def _bytes_of_tensors(content: Any) -> int:
    """Adds up the tensors in plain containers, each as if it were stored by itself."""
    waiting, total = [content], 0
    while waiting:
        value = waiting.pop()
        if isinstance(value, Tensor):
            total += value.numel() * value.element_size() if value.layout == torch.strided and not value.is_meta else 0
        elif isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)
    return total


def _refusal(error: Exception) -> str:
    """Explains why ``torch.load`` failed. Its own message advises loading the file unsafely, which is not done here."""
    message = " ".join(str(error).split())
    name = str(error) if isinstance(error, ForbiddenNameError) else None
    if isinstance(error, pickle.UnpicklingError) and (forbidden := FORBIDDEN.search(message)):
        name = forbidden[1]
    if name is not None:
        return (
            f"was refused: besides tensors it holds {name[:100]}, and loading such objects can run any code. Nothing "
            "in it was executed. If you trust its origin, load it with the software that wrote it and save only the "
            "state dict, preferably as safetensors"
        )
    if type(error) in (ValueError, RefusedPickleError):
        return f"was refused: {message[:300]}; nothing in it was executed"
    brief = f"{type(error).__name__}: {TORCH_ADVICE.sub('', message)[:200]}".rstrip(": ")
    return f"is damaged or not a file of tensors ({brief}); nothing in it was executed"
