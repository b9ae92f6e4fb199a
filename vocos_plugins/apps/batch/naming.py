"""The inputs that a command searches for, and the names of its outputs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...mel.shown import shown
from ...storage.listed import resolve_path
from ...storage.names import is_safe_path

Kind = Literal["audio", "mel"]
FORMATS = ("auto", "files", "list", "nemo", "speechbrain", "ljspeech", "lhotse", "datasets")


@dataclass(frozen=True, kw_only=True)
class Search:
    """The options of a search for inputs, and the naming of their outputs.

    Attributes:
        out: folder of the outputs.
        read: suffixes of the files that are taken from a folder.
        suffix: of the outputs.
        kind: what the files hold; None where lists are not read.
        format: of the lists, one of `FORMATS`; ``auto`` detects it from the content; ``files`` reads no lists.
        root: what relative paths in a list are relative to; the list's own folder if None.
    """

    out: Path
    read: frozenset[str]
    suffix: str
    kind: Kind | None = None
    format: str = "auto"
    root: Path | None = None

    def output_path(self, name: str) -> Path:
        """Returns the path of an output; raises ValueError for one outside of ``out``.

        Args:
            name: of the output without its suffix; may contain folders.
        """
        # Not with_suffix(), which would cut an id such as speaker.12. A list may come from anywhere: its ids must not
        # lead out of the output folder.
        if not is_safe_path(name) or not is_safe_path(name + self.suffix):
            what = "must be below the folder of outputs, without a NUL character, and at most 255 bytes for each folder"
            raise ValueError(f"{shown(name)} is not a valid output name: it {what}")
        return self.out / (name + self.suffix)

    def output_name(self, file: Path, listed: Path) -> str:
        """Returns the name of the output of a file in a list, without a suffix.

        It is the file's path below the list's root, or its absolute path without the leading slash.
        """
        base = Path(os.path.abspath(self.root or listed.parent))
        relative = file.relative_to(base) if file.is_relative_to(base) else file.relative_to(file.anchor)
        return str(relative.with_suffix(""))

    def resolve(self, text: str, listed: Path) -> Path:
        """Returns the absolute path of a file that a list names; raises ValueError for an impossible name."""
        return resolve_path(text, self.folder_of(listed))

    def folder_of(self, listed: Path) -> Path:
        """Returns the folder that a list's relative paths start from."""
        return self.root or listed.parent
