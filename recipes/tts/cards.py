"""The READMEs of a corpus and of an acoustic model: what it is, made of what, under which licences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
MODEL = """# {title}

A small acoustic model to hear a vocoder with, for tests and demos: text in, mel spectrogram out. It was trained by
`recipes/tts`, whose README has the commands. The weights are in 16 bits.

| | |
|---|---|
{facts}

To speak with it:

{use}

The code that trained it is MIT. The weights were made from the data below, and what its licences ask for goes for them
too.

{data}"""


def describe_synthesis(n_rows: int, length_s: float, card: str, sources: Sequence[Source]) -> str:
    """The README of a synthetic corpus; without sources, its text is the user's own."""
    lines = [f"- {source.content} (package `{source.package}`): {source.licence}." for source in sources]
    quoted = "\n".join(f"> {line}".rstrip() for line in card.splitlines())
    texts = "\n".join(lines) or "The user's own."
    return SYNTHETIC.format(n_rows=n_rows, hours=length_s / 3600, texts=texts, card=quoted)


def describe_recordings(n_rows: int, length_s: float, folder: Path) -> str:
    """The README of a corpus of recordings."""
    return RECORDED.format(n_rows=n_rows, hours=length_s / 3600, folder=folder.name)


def describe_model(title: str, facts: Mapping[str, str], use: str, corpus: Path) -> str:
    """The README of an acoustic model.

    Args:
        title: toolkit and architecture.
        facts: size, steps, command and the like, by heading.
        use: how to speak with it, as a fenced block.
        corpus: its README is quoted.

    Raises:
        FileNotFoundError: the corpus has no README.
    """
    data = (corpus / "README.md").read_text(encoding="utf-8").replace("\n## ", "\n### ").replace("# ", "## ", 1)
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    return MODEL.format(title=title, facts=rows, use=use, data=data)
