"""The README of a corpus: what it is, of what, under which licences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sources import Source

SYNTHETIC = """# A synthetic speech corpus

**This speech is synthetic.** No person said these sentences: a Piper voice spoke them. Say so wherever this corpus, or
a model trained on it, is passed on. {n_rows} sentences, {hours:.2f} hours, 22050 Hz, 16 bit, in LJSpeech's layout;
`alignments/` has each phoneme's duration in frames of 256 samples, as the voice itself had it.

## Text

{texts}

`licences/` holds the packages' own.

## Voice

The voice's own card and package:

{card}

A voice that was fine-tuned from another one was begun on that one's data too: read that voice's licence before
commercial use.
"""
RECORDED = """# A speech corpus

{n_rows} recordings, {hours:.2f} hours, from `{folder}`, at 22050 Hz, 16 bit, in LJSpeech's layout. They keep the
licence under which they were recorded.
"""


def describe_synthesis(n_rows: int, length_s: float, card: str, sources: Sequence[Source]) -> str:
    """The README of a synthetic corpus; without sources, its text is the user's own."""
    lines = [f"- {source.content} (package `{source.package}`): {source.licence}." for source in sources]
    quoted = "\n".join(f"> {line}".rstrip() for line in card.splitlines())
    texts = "\n".join(lines) or "The user's own."
    return SYNTHETIC.format(n_rows=n_rows, hours=length_s / 3600, texts=texts, card=quoted)


def describe_recordings(n_rows: int, length_s: float, folder: Path) -> str:
    """The README of a corpus of recordings."""
    return RECORDED.format(n_rows=n_rows, hours=length_s / 3600, folder=folder.name)
