"""A file as a library should see it: with other bytes in its header, or as if it were longer."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import IO


class FileView(io.RawIOBase):
    """A view of a file, which ends where its content does. Closing it closes the file.

    Args:
        file: opened for reading.
        patches: other bytes, by their positions.
        inflation: the file claims to be this many times as long.
    """

    def __init__(self, file: IO[bytes], patches: Mapping[int, bytes], inflation: int = 1) -> None:
        self.file = file
        self.patches = patches
        self.size = file.seek(0, os.SEEK_END)
        self.claimed = self.size * inflation
        self.position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Seeks in a file that is as long as it claims to be."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.claimed}[whence]
        self.position = max(0, base + offset)
        return self.position

    def tell(self) -> int:
        """Returns the position."""
        return self.position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Reads what is there; zeros at the claimed end, where libsndfile looks for tags."""
        if self.position > self.size:
            content = bytes(max(0, min(len(buffer), self.claimed - self.position)))
        else:
            self.file.seek(self.position)
            content = self._patched(self.file.read(len(buffer)))
        buffer[: len(content)] = content
        self.position += len(content)
        return len(content)

    def _patched(self, content: bytes) -> bytes:
        for at, patch in self.patches.items():
            first, last = at - self.position, at + len(patch) - self.position
            if first < len(content) and last > 0:
                changed = bytearray(content)
                for index in range(max(first, 0), min(last, len(content))):
                    changed[index] = patch[index - first]
                content = bytes(changed)
        return content

    def close(self) -> None:
        """Closes the file."""
        self.file.close()
        super().close()
