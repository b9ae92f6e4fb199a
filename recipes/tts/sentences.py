"""Sentences to be spoken: cut out of paragraphs, normalised, chosen by length.

A sentence that can't be read aloud as it is written is left out rather than guessed at: figures, abbreviations,
brackets, words in capitals, foreign letters.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator

SENTENCE_END = re.compile(r"(?<=[.!?])[\"'\u201d\u2019]*\s+(?=[\"'\u201c\u2018]?[A-Z])")
ABBREVIATIONS = {"Mr.": "Mister", "Mrs.": "Missus", "Dr.": "Doctor", "Messrs.": "Messieurs", "St.": "Saint"}
QUOTATION_MARKS = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'}
REPLACED = {**QUOTATION_MARKS, "\u2013": ", ", "\u2014": ", ", "--": ", ", "\u2026": ".", "&": " and "}
# What is left after normalisation: letters, the apostrophe inside a word, the hyphen and simple punctuation.
SPEAKABLE = re.compile(r"[A-Z][A-Za-z',;:.!? -]*[.!?]")
UNSPEAKABLE = re.compile(r"\b(?!(?:I|A|O)\b)[A-Z]+\b|[A-Z]{2}|\.\S|\b[A-Za-z]\.|(?<!')\b[b-hj-z]\b", re.ASCII)
# Characters: the voice speaks about 15 a second. Most sentences are short, a few reach 15 s.
LENGTHS = ((30, 75, 0.45), (75, 130, 0.4), (130, 200, 0.15))


def split_sentences(paragraph: str) -> list[str]:
    """Sentences of a paragraph; the dot of a known abbreviation ends none."""
    for short, long in ABBREVIATIONS.items():
        paragraph = re.sub(rf"\b{re.escape(short)}", long, paragraph)
    return [piece.strip() for piece in SENTENCE_END.split(" ".join(paragraph.split())) if piece.strip()]


def normalise(sentence: str) -> str | None:
    """The sentence in plain letters and punctuation, or None where it can't be read aloud as it stands."""
    for old, new in REPLACED.items():
        sentence = sentence.replace(old, new)
    sentence = sentence.replace('"', "")
    sentence = re.sub(r"(?<![A-Za-z])'|'(?![A-Za-z])", "", sentence)  # quotation marks, not apostrophes
    sentence = re.sub(r"\s*([,;:.!?])[,;:.!?\s]*(?=[,;:.!?]|\s|$)", r"\1 ", sentence)
    sentence = re.sub(r"\s+", " ", sentence).strip(" ,;:-")
    if not SPEAKABLE.fullmatch(sentence) or UNSPEAKABLE.search(sentence):
        return None
    return sentence


def speakable_sentences(paragraphs: Iterable[str]) -> Iterator[str]:
    """Normalised sentences of paragraphs, without those that are left out and without repetitions."""
    seen = set()
    for paragraph in paragraphs:
        for sentence in split_sentences(paragraph):
            normalised = normalise(sentence)
            key = "".join(filter(str.isalpha, (normalised or "").lower()))
            if normalised is not None and key not in seen:
                seen.add(key)
                yield normalised


def choose(texts: dict[str, list[str]], shares: dict[str, float], seed: int) -> list[tuple[str, str]]:
    """Sentences in a random order in which any beginning has the mix of `shares` and of `LENGTHS`.

    Args:
        texts: sentences of each source.
        shares: how much of the whole each source is to get.
        seed: of the order; the same sentences and seed give the same list.

    Returns:
        Pairs of a source and a sentence. A source or length that runs out gives way to the others.
    """
    draw = random.Random(seed)  # noqa: S311 - an order, no secret
    piles: dict[tuple[str, int], list[str]] = {}
    for source, sentences in sorted(texts.items()):
        for number, (low, high, _) in enumerate(LENGTHS):
            pile = sorted({sentence for sentence in sentences if low <= len(sentence) < high})
            draw.shuffle(pile)
            piles[source, number] = pile
    chosen, seen = [], set()
    while keys := [key for key, pile in piles.items() if pile]:
        weights = [shares[source] * LENGTHS[number][2] for source, number in keys]
        source, number = draw.choices(keys, weights)[0]
        sentence = piles[source, number].pop()
        if sentence not in seen:
            seen.add(sentence)
            chosen.append((source, sentence))
    return chosen
