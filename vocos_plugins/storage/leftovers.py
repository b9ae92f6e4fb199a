"""Temporary files beside outputs: how they are called, and how those of killed processes are found and removed."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from contextlib import suppress
from pathlib import Path

MAX_STEM_BYTES = 200  # of a name of at most 255
# ``.NAME.NUMBER.part``: the number is the process and six random digits, as threads share a process.
TEMPORARY = re.compile(r"\..+\.(\d+)\.part")
RANDOM_DIGITS = 6


def temporary_path(path: Path) -> Path:
    """Returns a new temporary path next to ``path``."""
    number = f"{os.getpid()}{secrets.randbelow(10**RANDOM_DIGITS):0{RANDOM_DIGITS}d}"
    return path.with_name(f"{_beginning(path)}{number}.part")


def sweep(folder: Path) -> None:
    """Removes the temporary files of killed processes from a folder and the folders below it.

    Those with this process's number count as a killed one's, since containers number theirs alike: call it before this
    process writes to the folder, or when it is done.
    """
    for parent, _, names in os.walk(folder):
        for name in names:
            _remove_if_abandoned(Path(parent, name), own=True)


def sweep_beside(path: Path) -> None:
    """Removes what killed processes have left of earlier attempts to write this one file."""
    with suppress(OSError):  # of a folder that can't be read
        for entry in os.scandir(path.parent):
            if entry.name.startswith(_beginning(path)):
                _remove_if_abandoned(path.with_name(entry.name), own=False)


def is_alive(process: int) -> bool:
    """Whether a process of this machine lives; True where there is no safe way to ask."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it lives, and is another user's
        return True
    return True


def _beginning(path: Path) -> str:
    """Returns the beginning of a file's temporary names, short enough for what follows."""
    return f".{os.fsdecode(os.fsencode(path.name)[:MAX_STEM_BYTES])}."


def _remove_if_abandoned(path: Path, *, own: bool) -> None:
    if (match := TEMPORARY.fullmatch(path.name)) is None:
        return
    process = int(match[1][:-RANDOM_DIGITS][:20] or 0)  # 0 if the name is not ours; a longer number is no process
    if process and is_alive(process) and not (own and process == os.getpid()):
        return
    with suppress(OSError):  # another process was faster, or may remove it
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            shutil.rmtree(path)
        elif stat.S_ISREG(mode):
            path.unlink()
