"""Mutations of a file's content, for tests of readers."""

from __future__ import annotations

import random
from collections.abc import Iterator

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
