"""MP3 files without a frame count, whose length libmpg123 only estimates from their size and first bit rate."""

from __future__ import annotations

from typing import IO, Literal

HEAD = 4096
ID3_HEADER = 10
# Where a file has a count of its frames, it is in the first of them.
COUNTS = (b"Xing", b"Info", b"VBRI")

Length = Literal["counted", "estimated"]


def length_of(file: IO[bytes]) -> Length | None:
    """Returns how an MP3 states its length; None for another format."""
    file.seek(0)
    head = file.read(ID3_HEADER)
    start = 0
    if head[:3] == b"ID3" and len(head) == ID3_HEADER:
        # Seven bits of each byte count.
        start = ID3_HEADER + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    file.seek(start)
    frame = file.read(HEAD)
    # The sync word of a frame of MPEG audio, of a layer that exists.
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0 or not frame[1] & 0x06:
        return None
    return "counted" if any(name in frame[:200] for name in COUNTS) else "estimated"
