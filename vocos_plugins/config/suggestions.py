"""Suggestions for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CUTOFF = 0.5  # difflib's default, 0.6, misses names that were typed without their last part, such as the sample rate


def suggestion(name: str, known: Iterable[str], *, limit: int = 1) -> str:
    """Returns "did you mean 'nemo'?" for the known names nearest to `name`, or "" if none is near.

    Case is ignored, and so is the part before a slash: in a checkpoint's name it is the organisation.

    Args:
        name: what was typed.
        known: the names to choose from.
        limit: the most names to suggest.
    """
    by_last_part: dict[str, str] = {}
    for each in known:
        by_last_part.setdefault(_last_part(each), each)  # of copies, the first that is known
    close = difflib.get_close_matches(_last_part(name), by_last_part, n=limit, cutoff=CUTOFF)
    return f"did you mean {' or '.join(repr(by_last_part[match]) for match in close)}?" if close else ""


def _last_part(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower()
