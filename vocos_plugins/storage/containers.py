"""Where the audio of a file ends by its own header; a file that is shorter was cut.

libsndfile reads what is left of a cut file, and says nothing. Formats without such a promise (IRCAM, PVF, PAF) aren't
here; FLAC and MP3 promise samples, which the reader counts.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from .ogg import end_mark, page_end

# A program that writes to a pipe doesn't know the size, and writes one near the largest that fits into 32 or 64 bits.
# sox writes 0x7f000000 and 0x7ffff000, others -1 with or without their header.
OPEN_SIZES = ((0x7F000000, 0x80000001), (0xFF000000, 0x100000000), (0x7F << 56, 1 << 64))
SLACK = 8  # some programs count the bytes of a header twice
HEAD = 512
MAX_CHUNKS = 10_000

Chunk = tuple[bytes, int, int]  # its name, the position of its content, and its size


@dataclass(frozen=True)
class AudioChunk:
    """The part of a file that holds the audio, and where its size is written.

    Attributes:
        start: position of its content.
        size: of its content by the header; None if its writer left it open.
        field: position of the size.
        layout: of the size, as for `struct`.
        extra: what the stored size counts beyond the content.
    """

    start: int
    size: int | None
    field: int
    layout: str
    extra: int = 0


def check_complete(file: IO[bytes]) -> dict[int, bytes]:
    """Checks that a file has as many bytes as its header promises.

    Returns:
        Bytes to be replaced, by their positions, so that libsndfile reads what is there: a size that was left open, or
        the mark of the last page of an Ogg stream.

    Raises:
        ValueError: it has fewer.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(HEAD)
    try:
        found = next((find(file, head) for magic, find in CONTAINERS if re.match(magic, head, re.DOTALL)), None)
    except (
        struct.error,
        ValueError,
        LookupError,
        OverflowError,
        OSError,
    ):  # a damaged header: libsndfile refuses it in its own words
        return {}
    if isinstance(found, AudioChunk):
        if found.size is None:
            there = max(0, size - found.start) + found.extra
            return {
                found.field: struct.pack(found.layout, min(there, 0xFFFFFFFF if found.layout[1:] == "I" else there))
            }
        found = found.start + found.size
    if found is not None and found > size + SLACK:
        raise ValueError(f"truncated: its header promises {found} bytes, but it has {size}")
    return end_mark(file) if head[:4] == b"OggS" else {}


def is_open(size: int) -> bool:
    """Returns whether a size in a header is none, since its writer did not know it."""
    return size < 0 or any(low <= size < high for low, high in OPEN_SIZES)


def _chunks(file: IO[bytes], position: int, layout: str, name_bytes: int = 4, align: int = 2) -> Iterator[Chunk]:
    """Yields the chunks of a file, each with a name and a size of this layout."""
    length = name_bytes + struct.calcsize(layout)
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        header = file.read(length)
        if len(header) < length:
            return
        (size,) = struct.unpack(layout, header[name_bytes:])
        if name_bytes == 16:  # of Wave64, which counts the header, too
            size -= length
        yield header[:name_bytes], position + length, size
        if size < 0:
            return
        position = -(-(position + length + size) // align) * align


def _riff(file: IO[bytes], head: bytes) -> AudioChunk | int | None:
    layout = ">I" if head[:4] == b"RIFX" else "<I"
    (whole,) = struct.unpack(layout, head[4:8])
    in_ds64: tuple[int, int] | None = None
    for name, position, size in _chunks(file, 12, layout):
        if name == b"ds64":
            file.seek(position)
            whole, in_data = struct.unpack("<QQ", file.read(16))
            in_ds64 = position + 8, in_data
        if name == b"data" and in_ds64 is not None and size == 0xFFFFFFFF:
            return AudioChunk(position, _size(file, position, in_ds64[1], whole + 8), in_ds64[0], "<Q")
        if name == b"data":
            return AudioChunk(position, _size(file, position, size, whole + 8), position - 4, layout)
    return None if is_open(whole) else int(whole) + 8  # it was cut before the audio


def _size(file: IO[bytes], start: int, size: int, whole: int, empty: int = 0) -> int | None:
    """Returns a chunk's size; None if it is open: by its value, or since it is empty and audio follows."""
    total = file.seek(0, os.SEEK_END)
    # In a file without audio, what follows are other chunks, which the size of the whole file covers.
    if is_open(size) or (size <= empty and whole != total and total > start + empty):
        return None
    return size


def _iff(file: IO[bytes], head: bytes) -> AudioChunk | None:
    (whole,) = struct.unpack(">I", head[4:8])
    for name, position, size in _chunks(file, 12, ">I"):
        if name in (b"SSND", b"BODY"):
            empty = 8 if name == b"SSND" else 0  # an offset and a block size come before the audio
            return AudioChunk(position, _size(file, position, size, whole + 8, empty), position - 4, ">I")
    return None


def _wave64(file: IO[bytes], head: bytes) -> AudioChunk | None:
    (whole,) = struct.unpack("<q", head[16:24])
    for name, position, size in _chunks(file, 40, "<q", name_bytes=16, align=8):
        if name[:4] == b"data":
            return AudioChunk(position, _size(file, position, size, whole), position - 8, "<q", extra=24)
    return None


def _caf(file: IO[bytes], _: bytes) -> AudioChunk | None:
    for name, position, size in _chunks(file, 8, ">q", align=1):
        if name == b"data":
            return AudioChunk(position, _size(file, position, size, 0, 4), position - 8, ">q")
    return None


def _mat5(file: IO[bytes], head: bytes) -> int | None:
    order = "<" if head[126:128] == b"IM" else ">"
    ends = [position + size for _, position, size in _chunks(file, 128, order + "I", align=1)]
    return max(ends, default=None)


def _mat4(file: IO[bytes], head: bytes) -> int | None:
    # Matrices: type, rows, columns, whether complex, length of the name. libsndfile's file has a rate, then the audio.
    order = ">" if head[2] else "<"
    position = 0
    for _ in range(2):
        file.seek(position)
        kind, rows, columns, _imaginary, name = struct.unpack(order + "5I", file.read(20))
        width = {0: 8, 1: 4, 2: 4, 3: 2, 4: 2, 5: 1}[kind // 10 % 10]
        position += int(20 + name + rows * columns * width)
    return position


def _au(file: IO[bytes], head: bytes) -> AudioChunk:
    layout = "<I" if head[:4] == b"dns." else ">I"
    start, size = (struct.unpack(layout, head[at : at + 4])[0] for at in (4, 8))
    return AudioChunk(start, _size(file, start, size, 0), 8, layout)


def _nist(file: IO[bytes], head: bytes) -> int | None:
    length = int(head[8:16])
    file.seek(0)
    fields = dict(re.findall(rb"^(\w+) -\w+ (\S+)", file.read(min(length, 2**16)), re.MULTILINE))
    if b"," in fields.get(b"sample_coding", b""):  # compressed
        return None
    count, width, channels = (
        int(fields.get(name, b"1")) for name in (b"sample_count", b"sample_n_bytes", b"channel_count")
    )
    return length + count * width * channels if b"sample_count" in fields else None


def _voc(file: IO[bytes], head: bytes) -> int | None:
    # Blocks with a type of one byte and a size of three.
    position = int.from_bytes(head[20:22], "little")
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        header = file.read(4)
        if len(header) < 4 or header[0] == 0:
            return position
        position += 4 + int.from_bytes(header[1:], "little")
    return None


def _avr(_: IO[bytes], head: bytes) -> int | None:
    stereo, bits = struct.unpack(">hh", head[12:16])
    (frames,) = struct.unpack(">I", head[26:30])
    return 128 + int(frames) * int(bits) // 8 * (2 if stereo else 1)


def _wve(_: IO[bytes], head: bytes) -> int | None:
    return 32 + int.from_bytes(head[18:22], "big")


def _mpc2k(_: IO[bytes], head: bytes) -> int | None:
    return 42 + int.from_bytes(head[30:34], "little") * 2 * (1 + (head[21] & 1))


def _xi(_: IO[bytes], head: bytes) -> int | None:
    n_samples, length = struct.unpack("<HI", head[296:302])
    return 298 + 40 * int(n_samples) + int(length)


def _sds(_: IO[bytes], head: bytes) -> int | None:
    # Packets of 127 bytes with 120 bytes of audio, after a header of 21.
    frames = head[10] | head[11] << 7 | head[12] << 14
    samples_per_packet = 60 if head[6] <= 14 else 40 if head[6] <= 21 else 30
    return 21 + 127 * -(-frames // samples_per_packet)


# How a format begins, and what returns its audio, or only the position where that ends.
CONTAINERS: tuple[tuple[bytes, Callable[[IO[bytes], bytes], AudioChunk | int | None]], ...] = (
    (rb"(RIFF|RIFX|RF64|BW64)....WAVE", _riff),
    (rb"FORM....(AIFF|AIFC|8SVX|16SV)", _iff),
    (rb"riff\x2e\x91\xcf\x11", _wave64),
    (rb"caff", _caf),
    (rb"\.snd|dns\.", _au),
    (rb"NIST_1A\n", _nist),
    (rb"OggS", page_end),
    (rb"Creative Voice File\x1a", _voc),
    (rb"MATLAB 5", _mat5),
    (rb"(\0\0\x03\xe8|\0{4}).{16}samplerate\0", _mat4),
    (rb"2BIT", _avr),
    (rb"\xf0\x7e.\x01", _sds),
    (rb"ALawSoundFile\*\*\0", _wve),
    (rb"\x01\x04", _mpc2k),
    (rb"Extended Instrument: ", _xi),
)
