"""The end of an Ogg stream. Without the mark of its last page, a recorder was stopped: that is no cut."""

from __future__ import annotations

import functools
import os
import struct
from typing import IO

TAIL = 2**17  # a page has at most 65,307 bytes
HEADER = 27
POLYNOMIAL = 0x04C11DB7
# Positions in a page's header.
FLAGS, CHECKSUM, N_SEGMENTS = 5, 22, 26
LAST = 4


def page_end(file: IO[bytes], _: bytes) -> int | None:
    """Returns where the last page ends by its header, which is beyond the file's end if it was cut."""
    tail, start, page = _last_page(file)
    if page < 0:
        return None
    header = tail[page : page + HEADER]
    lacing = tail[page + HEADER :][: header[N_SEGMENTS]] if len(header) == HEADER else b""
    if len(header) < HEADER or len(lacing) < header[N_SEGMENTS]:
        return start + len(tail) + HEADER + 255  # cut in the header
    return start + page + HEADER + len(lacing) + sum(lacing)


def end_mark(file: IO[bytes]) -> dict[int, bytes]:
    """Returns bytes to replace, by their positions, so that the last page is marked; none if it is.

    Without the mark, libsndfile refuses Opus.
    """
    tail, start, at = _last_page(file)
    page = bytearray(tail[at:])
    if at < 0 or len(page) < HEADER or page[FLAGS] & LAST:
        return {}
    flags = page[FLAGS] = page[FLAGS] | LAST
    page[CHECKSUM : CHECKSUM + 4] = bytes(4)
    return {start + at + FLAGS: bytes([flags]), start + at + CHECKSUM: struct.pack("<I", checksum(page))}


def checksum(page: bytes | bytearray) -> int:
    """Returns the checksum of a page whose own is zero, as in RFC 3533."""
    value, table = 0, _table()
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ table[value >> 24 ^ byte]
    return value


@functools.cache
def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ (POLYNOMIAL if value >> 31 else 0)) & 0xFFFFFFFF
        entries.append(value)
    return tuple(entries)


def _last_page(file: IO[bytes]) -> tuple[bytes, int, int]:
    """Returns the end of a file, the position of that end, and that of the last page in it."""
    start = max(0, file.seek(0, os.SEEK_END) - TAIL)
    file.seek(start)
    tail = file.read(TAIL)
    return tail, start, tail.rfind(b"OggS")
