"""Words that NeMo's own tokenizers would leave out, and marks, which nobody misses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

pytestmark = pytest.mark.xdist_group("nemo")

DICTIONARY = "OH  oʊ\nNO  noʊ\nZOO  zu\nCAN'T  kænt\n"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """NeMo's tokenizer of phonemes, with a dictionary of four words."""
    from nemo.collections.common.tokenizers.text_to_speech.tts_tokenizers import IPATokenizer
    from nemo.collections.tts.g2p.models.i18n_ipa import IpaG2p

    path = tmp_path_factory.mktemp("dictionary") / "dictionary.txt"
    path.write_text(DICTIONARY, encoding="utf-8")
    g2p = IpaG2p(phoneme_dict=str(path), ignore_ambiguous_words=False, use_chars=False, use_stresses=True)
    return IPATokenizer(punct=True, apostrophe=False, pad_with_space=True, g2p=g2p)


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("Oh, no! Oh-no; no-oh.", []),
        ("Zoos can\u2019t.", []),  # NeMo forms the plural by itself
        ("Oh zebra, no ZEBRA. Zebra zebra!", ["zebra", "ZEBRA", "Zebra"]),
        ("Oh 12 $ no.", ["12", "$"]),
        ("Oh zoo-zebra.", ["zoo-zebra"]),
        ("(“Gruß”) oh", ["Gruß"]),
        ("oh… no — ¿no? «oh»", []),
        ("... — !", []),
        ("", []),
    ],
)
def test_unknown_words_are_found(tokenizer, text, unknown):
    from vocos_nemo.spoken import find_unknown

    assert find_unknown(tokenizer, text) == unknown


def test_letters_can_be_unknown_too():
    from nemo.collections.common.tokenizers.text_to_speech.tts_tokenizers import EnglishCharsTokenizer
    from vocos_nemo.spoken import find_unknown

    assert find_unknown(EnglishCharsTokenizer(), "A café, 『ein』 Gruß. Ðis, 5.") == ["Gruß", "Ðis", "5"]


def test_a_text_is_parsed_as_its_model_normalizes_it(tokenizer):
    """Known words become the model's own tokens; a word is sought as the normalizer writes it."""
    from vocos_nemo.spoken import parse_known

    def parse(text, normalize):
        assert not normalize
        return torch.tensor([tokenizer(text)])

    model = SimpleNamespace(vocab=tokenizer, parse=parse, text_normalizer_call_kwargs={"old": "0", "new": "oh"})
    model.text_normalizer_call = lambda text, old, new: text.replace(old, new)
    assert parse_known(model, "No 0.").tolist() == [tokenizer("No oh.")]
    with pytest.raises(ValueError, match="no pronunciation of '0'"):
        parse_known(model, "No 0.", normalize=False)
    with pytest.raises(ValueError, match=r"no known symbol in '\.\.\.'"):
        parse_known(model, "...")
