"""Batches by length: little padding, every item once, and each decoded as if alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vocos_plugins.apps.batch.batches import by_length, decode_together

LENGTHS = st.lists(st.integers(1, 3000), max_size=60)


@given(LENGTHS, st.integers(1, 10000), st.sampled_from([0.0, 0.1, 0.5]))
def test_batches_are_full_and_bounded(lengths, max_frames, max_waste) -> None:
    """Each item is in one batch; only a batch of one item is larger than asked; none has more padding than asked."""
    batches = by_length(lengths, max_frames, max_waste)
    assert sorted(item for batch in batches for item in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[item] for item in batch)
        assert len(batch) == 1 or padded <= max_frames
        assert sum(lengths[item] for item in batch) >= (1 - max_waste) * padded - 1e-9 * padded


def test_lengths_of_speech_waste_little() -> None:
    """A thousand utterances of 1 to 15 s have under 10 % of padding, in batches of more than ten."""
    lengths = np.random.default_rng(0).integers(86, 1290, 1000).tolist()
    batches = by_length(lengths, 2**15)
    padded = sum(len(batch) * max(lengths[item] for item in batch) for batch in batches)
    assert 1 - sum(lengths) / padded < 0.1
    assert len(lengths) / len(batches) > 10


@pytest.mark.parametrize("framing", ["center", "same"])
def test_a_batch_equals_its_items_alone(make_model, noise, relative_error, framing) -> None:
    """Audio comes in the order of the items; a batch on a CPU is computed row by row, so it is equal to the bit."""
    vocos = make_model("mel", "convnext", "istft", framing)
    items = [noise(12, n_frames, seed=n_frames) for n_frames in (30, 2, 29, 31, 7)]
    audio = decode_together(vocos, items, max_frames=100)
    for item, decoded in zip(items, audio, strict=True):
        assert torch.equal(decoded, vocos.decode(item[None])[0])


def test_masked_rows_equal_items_alone(make_model, noise, relative_error, monkeypatch) -> None:
    """Rows that are computed together, as on a GPU, are equal to float32 rounding."""
    monkeypatch.setattr("vocos_plugins.inference.decode.ROW_BY_ROW", ())
    vocos = make_model("mel", "convnext", "istft", "center")
    items = [noise(12, n_frames, seed=n_frames) for n_frames in (30, 28, 29, 31, 7)]
    for item, decoded in zip(items, decode_together(vocos, items), strict=True):
        assert relative_error(decoded, vocos.decode(item[None])[0]) < 1e-5


def test_a_postfilter_is_not_applied_again(make_model, noise) -> None:
    """What is decoded together is a recording's mel, or filtered already."""
    vocos = make_model("mel", "convnext", "istft", "center")
    items = [noise(12, n_frames, seed=n_frames) for n_frames in (30, 7)]
    plain = decode_together(vocos, items)
    vocos.set_postfilter(2 * torch.eye(12))
    for decoded, expected in zip(decode_together(vocos, items), plain, strict=True):
        assert torch.equal(decoded, expected)
