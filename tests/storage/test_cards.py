"""The cards of published checkpoints."""

from __future__ import annotations

import re

import pytest

from helpers.checkpoints import load_float32
from vocos_plugins.plugins.catalogue import find_card
from vocos_plugins.storage.cards import CARDS, LANGTECH_22KHZ, VOCOS_24KHZ
from vocos_plugins.storage.hub import is_repo_id
from vocos_plugins.storage.safe_files import CheckpointError


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_cards_are_well_formed(card) -> None:
    """Names are repositories; a hash comes with the commit and the file that it belongs to."""
    assert is_repo_id(card.name)
    assert card.origin
    if card.sha256 is not None:
        assert re.fullmatch("[0-9a-f]{64}", card.sha256)
        assert card.file is not None
    if card.sha256 is not None or card.size_bytes is not None:
        assert card.revision is not None
    if card.revision is not None:
        assert re.fullmatch("[0-9a-f]{40}", card.revision)


def test_names_are_unique() -> None:
    """No repository has two cards."""
    assert len({card.name.lower() for card in CARDS}) == len(CARDS)


def test_find_card() -> None:
    """Cards are found by name, ignoring case, as on the Hugging Face hub."""
    card = find_card("charactr/vocos-mel-24khz")
    assert card is not None
    assert card.mel == VOCOS_24KHZ
    assert find_card("bsc-lt/Vocos-Mel-22kHz") is find_card("BSC-LT/vocos-mel-22khz")
    assert find_card("nobody/nothing") is None


def test_the_hifigan_family() -> None:
    """The cards name the checkpoints for the mel of SpeechBrain, NeMo, Coqui and Matcha."""
    names = {card.name for card in CARDS if card.mel == LANGTECH_22KHZ}
    assert {"BSC-LT/vocos-mel-22khz", "BSC-LT/vocos-mel-22khz-cat", "BSC-LT/wavenext-mel"} == names


def test_onnx_graphs_are_refused_by_name() -> None:
    """The error says what it is and what to load instead, without asking the hub."""
    with pytest.raises(CheckpointError, match=r"ONNX graph.*inverse STFT.*'charactr/vocos-mel-24khz'"):
        load_float32("wetdog/vocos-mel-24khz-onnx")
