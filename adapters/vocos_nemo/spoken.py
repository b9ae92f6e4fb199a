"""Tokens of a text, or an error where NeMo's tokenizer would leave out words with no more than a warning."""

from __future__ import annotations

import unicodedata
from typing import Any

from torch import Tensor


def normalize_text(model: Any, text: str) -> str:
    """Returns a text as a FastPitch's `parse` normalizes it, by the model's own normalizer if it has one."""
    if model.text_normalizer_call is None:
        return text
    normalized: str = model.text_normalizer_call(text, **model.text_normalizer_call_kwargs)
    return normalized


def find_unknown(tokenizer: Any, text: str) -> list[str]:
    """Returns the words of a text that a tokenizer would leave out, whole or in part.

    They are in their order, without repetitions and without the marks around them. A mark that the tokenizer leaves out
    makes no word unknown: nobody speaks it.
    """
    known = {*tokenizer.tokens, *getattr(tokenizer, "punct_list", ()), " "}
    unknown = {}
    for word in text.split():
        prepared = tokenizer.text_preprocessing_func(word)
        symbols = tokenizer.g2p(prepared) if hasattr(tokenizer, "g2p") else prepared
        if any(symbol not in known and not _is_mark(symbol) for symbol in symbols) and (bare := _bare(word)):
            unknown[bare] = None
    return list(unknown)


def parse_known(model: Any, text: str, normalize: bool = True) -> Tensor:
    """Returns a FastPitch's tokens ``(1, n)`` of a text, as its `parse` gives them.

    Raises:
        ValueError: the text has a word that the model's dictionary or symbols lack, or nothing to speak.
    """
    normalized = normalize_text(model, text) if normalize else text
    if model.vocab is not None:
        if not any(map(str.isalnum, normalized)):
            raise ValueError(f"no known symbol in {text!r}")
        if unknown := find_unknown(model.vocab, normalized):
            raise ValueError(
                f"the model has no pronunciation of {', '.join(map(repr, unknown))}: spell it in words that it knows,"
                " or add it to its dictionary"
            )
    tokens: Tensor = model.parse(normalized, normalize=False)
    return tokens


def _bare(word: str) -> str:
    while word and _is_mark(word[0]):
        word = word[1:]
    while word and _is_mark(word[-1]):
        word = word[:-1]
    return word


def _is_mark(symbol: str) -> bool:
    return unicodedata.category(symbol[0]).startswith(("P", "Z"))
