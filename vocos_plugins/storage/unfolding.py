"""Gzipped files, unpacked while they are read, as long as they don't unfold to more than a file of their size may."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path
from typing import IO, cast

from .limits import MAX_UNFOLDED_RATIO, check_unfolded

MAGIC = b"\x1f\x8b"


class Unfolded(io.RawIOBase):
    """The content of a file, unpacked if it is gzipped.

    Args:
        path: of the file.
        ratio: how many times as large as the file the content may be, if it is large.
        most_at_once: bytes that may be asked for at once; None for any number.

    Raises:
        OSError: the file can't be opened.
        ValueError: on reading or seeking: more was asked for, or lies before.
    """

    def __init__(self, path: Path, *, ratio: int = MAX_UNFOLDED_RATIO, most_at_once: int | None = None) -> None:
        self.size = path.stat().st_size
        self.ratio = ratio
        self.most_at_once = most_at_once
        self.packed = path.open("rb")
        is_gzip = self.packed.read(len(MAGIC)) == MAGIC
        self.packed.seek(0)
        self.file = cast("IO[bytes]", gzip.GzipFile(fileobj=self.packed)) if is_gzip else self.packed

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def tell(self) -> int:
        """Returns the position in the content."""
        return self.file.tell()

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a position; a gzipped file has to unpack what lies before."""
        self._check(position)
        return self.file.seek(position, whence)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Reads what fits into a buffer."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def read(self, n_bytes: int = -1) -> bytes:
        """Reads up to that number of bytes."""
        if self.most_at_once is not None and not 0 <= n_bytes <= self.most_at_once:
            raise ValueError(f"a header of {n_bytes} bytes")
        if n_bytes < 0:
            return self.readall()
        content = self.file.read(n_bytes)
        self._check(self.file.tell())
        return content

    def close(self) -> None:
        """Closes the file."""
        self.file.close()
        self.packed.close()
        super().close()

    def _check(self, position: int) -> None:
        if self.file is not self.packed:
            check_unfolded(position, self.size, "it", self.ratio)
