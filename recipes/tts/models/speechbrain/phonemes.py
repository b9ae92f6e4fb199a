"""Phonemes of English text by espeak-ng, with the text's punctuation between them.

One symbol a character, as Piper's voices, Coqui TTS and other users of espeak-ng have it: ``həlˈoʊ, wˈɜːld.``. The text
is cut at punctuation and each piece is spoken by itself, so that the marks keep their places; Coqui TTS's phonemizer
does the same.
"""

from __future__ import annotations

import functools
import re
import subprocess

PUNCTUATION = re.compile(r"(\s*[;:,.!?]+\s*)+")
LANGUAGE_FLAG = re.compile(r"\(.+?\)")


@functools.lru_cache(maxsize=4096)
def phonemize_piece(text: str, voice: str = "en-us") -> str:
    """Phonemes of text without punctuation.

    Raises:
        RuntimeError: there is no espeak-ng.
    """
    command = ["espeak-ng", "-q", "-b", "1", "--ipa", "-v", voice, "--", text]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")  # noqa: S603
    except FileNotFoundError:
        raise RuntimeError("espeak-ng is needed for phonemes: install the package espeak-ng") from None
    return " ".join(LANGUAGE_FLAG.sub("", line).strip() for line in lines).strip()


def phonemize(text: str, voice: str = "en-us") -> str:
    """Phonemes and punctuation of a sentence."""
    spoken, end = "", 0
    for mark in PUNCTUATION.finditer(text):
        spoken += _phonemize_words(text[end : mark.start()], voice) + mark.group()
        end = mark.end()
    return (spoken + _phonemize_words(text[end:], voice)).strip()


def _phonemize_words(text: str, voice: str) -> str:
    return phonemize_piece(text, voice) if text.strip() else ""
