"""Errors of reading a file: an OSError or a ValueError in words, whatever a library raises."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_MESSAGE = 500  # characters
PIPE_PATIENCE_S = 10.0
MAX_PIPE_BYTES = 2**30
# Kinds of files that would wait for ever, or have no end.
NO_FILES = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


@contextmanager
def reading(path: Path | bytes) -> Iterator[None]:
    """Checks that there is a file with something in it, and turns what a damaged one makes a library raise into words.

    Raises:
        OSError: the file does not exist or can't be opened.
        ValueError: it is empty or no file, there is not enough memory for it, or the block raised something else.
    """
    check_file(path)
    try:
        yield
    except OSError as error:
        if error.errno == errno.EINVAL:  # what the system says of a negative position, which a damaged header names
            raise ValueError("damaged: its header names a position that no file has") from error
        raise
    except ValueError as error:
        if len(str(error)) > MAX_MESSAGE:  # some libraries quote the file
            raise ValueError(f"{str(error)[:MAX_MESSAGE]} ...") from error
        raise
    except MemoryError as error:
        raise ValueError(f"there is not enough memory for it: {brief(error)}") from error
    except Exception as error:
        raise ValueError(f"damaged, or of a variant that can't be read: {brief(error)}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of a library written in Rust, no request to stop
            raise
        raise ValueError(f"damaged: {brief(error)}") from error


def check_file(path: Path | bytes) -> None:
    """Raises a ValueError for an empty file, a pipe or a device; an OSError where there is nothing."""
    size = len(path) if isinstance(path, bytes) else check_kind(path)
    if size == 0:
        raise ValueError("the file is empty (0 bytes)")


def check_kind(path: Path) -> int:
    """Raises a ValueError for a pipe or a device; an OSError where there is nothing. Returns the file's size."""
    status = path.stat()
    if kind := NO_FILES.get(stat.S_IFMT(status.st_mode)):
        raise ValueError(f"it is {kind}; save its content to a file first")
    return status.st_size


def read_limited(path: Path, limit: int) -> bytes:
    """Returns the content of a small file.

    Raises:
        OSError: it does not exist or can't be opened.
        ValueError: it is a pipe or a device, or has more bytes than the limit.
    """
    check_kind(path)
    with path.open("rb") as file:
        # One byte more than allowed shows that the file is too large, without reading all of it.
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it has more than {limit} bytes, too many for such a file")
    return content


def content_of_pipe(path: Path) -> bytes:
    """Returns all that a program writes to a pipe, such as a shell's ``<(...)``.

    Raises:
        OSError: it can't be opened.
        ValueError: nothing came for `PIPE_PATIENCE_S`, or more than `MAX_PIPE_BYTES`.
    """
    content = bytearray()
    # Without O_NONBLOCK, opening it would wait for a writer, for ever if there is none.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as pipe:
        while len(content) <= MAX_PIPE_BYTES:
            if not select.select([pipe], [], [], PIPE_PATIENCE_S)[0]:
                raise ValueError(f"nothing was written to this pipe for {PIPE_PATIENCE_S:g} s; save it to a file first")
            piece = pipe.read(2**16)
            if piece == b"":
                return bytes(content)
            content += piece or b""
    raise ValueError(f"more than {MAX_PIPE_BYTES} bytes come from this pipe; save it to a file first")


def brief(error: BaseException, limit: int = MAX_MESSAGE) -> str:
    """Returns an error as one line with its kind, cut at a number of characters."""
    message = " ".join(str(error).split())[:limit]
    return f"{type(error).__name__}: {message}".rstrip(": ")
