"""Tokens of a text, or an error where NeMo's tokenizer would leave out words with no more than a warning."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def find_unknown(tokenizer: Any, text: str) -> list[str]:
    """Words of a text that a tokenizer would leave out, whole or in part, in their order and without repetitions."""
    known = {*tokenizer.tokens, *getattr(tokenizer, "punct_list", ()), " "}
    unknown = {}
    for word in text.split():
        prepared = tokenizer.text_preprocessing_func(word)
        symbols = tokenizer.g2p(prepared) if hasattr(tokenizer, "g2p") else prepared
        if not known.issuperset(symbols):
            unknown[word.strip(",.;:!?")] = None
    return list(unknown)


def parse_known(model: Any, text: str, normalize: bool = True) -> Tensor:
    """A FastPitch's tokens ``(1, n)`` of a text, as its `parse` gives them.

    Raises:
        ValueError: the text has a word that the model's dictionary or symbols lack, or nothing to speak.
    """
    normalized = text
    if normalize and model.text_normalizer_call is not None:
        normalized = model.text_normalizer_call(text, **model.text_normalizer_call_kwargs)
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
