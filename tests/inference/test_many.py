"""`decode_many`: batches by length, with little padding and every item once, each decoded as if alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vocos_plugins.inference.many import by_length, decode_many

# Ways in which a source differs from the model's own mel: exactly and lossily.
SOURCES = {"guard": {"guard": "add"}, "lossy": {"mel_scale": "slaney"}}
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


@pytest.mark.filterwarnings("ignore:lossy mel conversion")
@pytest.mark.parametrize("source", [None, *SOURCES])
@pytest.mark.parametrize("framing", ["center", "same"])
def test_items_equal_their_own_decodes(make_model, noise, relative_error, framing, source) -> None:
    """Audio comes in the order of the items, at their own lengths, whatever the mels' convention."""
    vocos = make_model("mel", "convnext", "istft", framing)
    convention = None if source is None else dataclasses.replace(vocos.mel, **SOURCES[source])
    items = [noise(12, n_frames, seed=n_frames) for n_frames in (30, 2, 29, 500, 31, 7)]
    audio = vocos.decode_many(iter([*items[:-1], items[-1].numpy()]), source=convention)
    for item, decoded in zip(items, audio, strict=True):
        alone = vocos.decode(item[None], source=convention)[0]
        assert decoded.shape == alone.shape
        assert relative_error(decoded, alone) < 2e-6  # float32 products of other numbers of rows


def test_bandwidths_and_precisions(make_model, noise) -> None:
    """One bandwidth is for all; half precision beside float32 is computed in float32."""
    vocos = make_model("encodec", "adanorm")
    items = [noise(12, 30), noise(12, 9).half()]
    for item, decoded in zip(items, vocos.decode_many(items, bandwidth_id=2), strict=True):
        alone = vocos.decode(item[None].float(), bandwidth_id=2)[0]
        assert torch.allclose(decoded, alone, atol=2e-6 * float(alone.abs().max()))


def test_padding_of_an_item_is_silent(make_model, noise) -> None:
    """Frames of ``pad_value`` at an item's end are not decoded, but they count for its length."""
    vocos = make_model("mel")
    convention = dataclasses.replace(vocos.mel, pad_value=0.0)
    padded = torch.cat([noise(12, 20), torch.zeros(12, 5)], dim=1)
    (audio,) = vocos.decode_many([padded], source=convention)
    assert len(audio) == vocos.config.n_samples(25)
    assert torch.equal(audio, vocos.decode(padded[None], source=convention)[0])
    assert not audio[vocos.config.n_samples(20) :].any()


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        ([torch.zeros(1, 12, 5)], ValueError, r"item 0 must be \(12, T\), got shape \(1, 12, 5\)"),
        ([torch.zeros(12, 5), torch.zeros(13, 5)], ValueError, "item 1: this model takes 12 bands, got 13"),
        ([torch.zeros(12, 5), torch.full((12, 5), torch.nan)], ValueError, "item 1: features hold 60 NaN"),
        ([torch.zeros(12, 5), torch.zeros(12, 0)], ValueError, "item 1: features have no frames"),
        ([torch.zeros(12, 5).long()], TypeError, "item 0: features must be floating point"),
        ([[1.0]], TypeError, "item 0 must be a torch tensor or a NumPy array, got list"),
    ],
)
def test_an_error_names_the_item(make_model, items, error, message) -> None:
    with pytest.raises(error, match=message):
        make_model("mel").decode_many(items)


def test_no_items(make_model) -> None:
    assert make_model("mel").decode_many([]) == []


def test_masked_rows_equal_items_alone(make_model, noise, relative_error, monkeypatch) -> None:
    """Rows that are computed together, as on a GPU, are equal to float32 rounding."""
    monkeypatch.setattr("vocos_plugins.inference.decode.ROW_BY_ROW", ())
    vocos = make_model("mel", "convnext", "istft", "center")
    items = [noise(12, n_frames, seed=n_frames) for n_frames in (30, 28, 29, 31, 7)]
    for item, decoded in zip(items, decode_many(vocos, items, postfilter=False), strict=True):
        assert relative_error(decoded, vocos.decode(item[None])[0]) < 1e-5


def test_a_postfilter_is_not_applied_again(make_model, noise) -> None:
    """What is decoded together is a recording's mel, or filtered already."""
    vocos = make_model("mel", "convnext", "istft", "center")
    items = [noise(12, n_frames, seed=n_frames) for n_frames in (30, 7)]
    plain = decode_many(vocos, items, postfilter=False)
    vocos.set_postfilter(2 * torch.eye(12))
    for decoded, expected in zip(decode_many(vocos, items, postfilter=False), plain, strict=True):
        assert torch.equal(decoded, expected)
