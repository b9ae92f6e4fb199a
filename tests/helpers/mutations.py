"""Mutations of a file's content, for tests of readers."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SEED = 21
HEAD = 300  # mutations hit the first bytes more often than the others
INTERESTING = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"(", b"9" * 9)


def mutations(content: bytes, chance: random.Random) -> Iterator[bytes]:
    """Endless variants: changed, removed, repeated and swapped bytes, and cuts."""
    while True:
        changed = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(min(HEAD, len(changed)) if chance.random() < 0.8 else len(changed))
            kind = chance.randrange(5)
            if kind == 0:
                changed[at] = chance.randrange(256)
            elif kind == 1:
                piece = chance.choice(INTERESTING)
                changed[at : at + len(piece)] = piece
            elif kind == 2:
                del changed[at : at + chance.randint(1, 8)]
            elif kind == 3:
                changed[at:at] = changed[at : at + chance.randint(1, 8)]
            else:
                changed[at] ^= 1 << chance.randrange(8)
            if not changed:
                break
        yield bytes(changed if chance.random() < 0.8 else changed[: chance.randrange(len(changed) + 1)])


def attack(files: list[Path], read: Callable[[Path], object], seconds: float, longest: int = 2500) -> int:
    """Reads variants of each file in its place for some seconds, and until each was refused once.

    A test fails at any other error than a ValueError or OSError, at a message of more than ``longest`` characters, and
    at a variant that takes two seconds to read. Returns how many variants were read.
    """
    chance = random.Random(SEED)  # noqa: S311 - repeatable
    whole = {file: file.read_bytes() for file in files}
    variants = {file: mutations(content, chance) for file, content in whole.items()}
    for file in files:
        read(file)
    n_read, n_refused, ends = 0, dict.fromkeys(files, 0), time.monotonic() + seconds
    while time.monotonic() < ends or not all(n_refused.values()):
        for file in files:
            content = next(variants[file])
            file.write_bytes(content)
            started = time.process_time()
            try:
                read(file)
                n_read += 1
            except (OSError, ValueError) as error:
                n_refused[file] += 1
                message = str(error)
                assert 5 < len(message) < longest, (file, message)
            except Exception as error:
                pytest.fail(f"{file}: {type(error).__name__}: {error}: {content!r}")
            assert time.process_time() - started < 2, content
            file.write_bytes(whole[file])
    return n_read
