"""Short items that are decoded as one sequence of frames: each is what it is alone, whatever lies beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.inference.backend import Backend, Precision
from vocos_plugins.inference.fast.engine import FastEngine
from vocos_plugins.inference.fast.head import SHORT_FRAMES
from vocos_plugins.inference.fast.onednn import has_bfloat16, has_int8, has_onednn
from vocos_plugins.inference.items import JOINED_FRAMES, MOST_JOINED_FRAMES, group_items

Noise = Callable[..., Tensor]
Make = Callable[..., Any]
needs_onednn = pytest.mark.skipif(not has_onednn(), reason="this processor or torch has no fast path")

# Signal to error against an item alone, in decibels. It is the same in most cases; else a product of another number of
# rows rounds otherwise. That moves some values of 16 or 8 bits by a step, half a percent, and the passes magnify it.
CLOSE = {"float32": 100.0, "bfloat16": 40.0, "int8": 60.0}
LENGTHS = (86, 1, 200, 40, 383, 2, 120, 86, 300)
PARTS = {
    "istft": ("mel", "convnext", "istft"),
    "prior": ("mel", "convnext", "prior"),
    "refined": ("mel", "convnext", "refined"),
    "upsampled": ("mel", "convnext", "upsampled"),
    "cos": ("mel", "convnext", "imdct-cos"),
    "wavenext": ("mel", "convnext", "wavenext"),
}


def engine_of(vocos: Vocos, precision: Precision = "float32") -> FastEngine:
    with torch.no_grad():
        engine = Backend(precision).engine(vocos, torch.device("cpu"))
    assert isinstance(engine, FastEngine)
    return engine


def decibels(found: Tensor, expected: Tensor) -> float:
    error = (found - expected).square().sum().clamp_min(1e-30)
    return float(10 * torch.log10(expected.square().sum().clamp_min(1e-20) / error))


@needs_onednn
@pytest.mark.parametrize("framing", ["center", "same"])
@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS.keys())
def test_each_item_is_what_it_is_alone(make_model: Make, noise: Noise, parts: tuple[str, ...], framing: str) -> None:
    """With every head, for lengths from one frame to the longest that is joined."""
    if parts[2] == "wavenext" and framing == "center":
        framing = "same"  # the head has no other
    vocos = make_model(*parts, framing)
    engine = engine_of(vocos)
    items = [noise(12, length, seed=length) for length in LENGTHS]
    with torch.inference_mode():
        together = engine.decode_joined(items, None)
        for item, audio in zip(items, together, strict=True):
            alone = engine(item, None)
            assert audio.shape == alone.shape == (vocos.config.n_samples(item.shape[1]),)
            assert torch.allclose(audio, alone, atol=2e-6 * float(alone.abs().max()) if len(alone) else 0.0)


@needs_onednn
@pytest.mark.parametrize("name", ["vocos-mel-22khz-small", "vocos-mel-16khz-small"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_bundled_models(name: str, precision: Precision, make_signal: Make) -> None:
    if not {"float32": True, "bfloat16": has_bfloat16(), "int8": has_int8()}[precision]:
        pytest.skip(f"this processor has no {precision}")
    vocos = Vocos.from_pretrained(name)
    speech = torch.from_numpy(make_signal("arctic-1", vocos.sample_rate)).float()[None]
    engine, mel = engine_of(vocos, precision), MelSpectrogram(vocos.mel)(speech)[0]
    items = [mel[:, start : start + length] for start, length in zip(range(0, 90, 10), LENGTHS, strict=True)]
    items = [item for item in items if item.shape[1] > 2]
    with torch.inference_mode():
        for item, audio in zip(items, engine.decode_joined(items, None), strict=True):
            assert decibels(audio, engine(item, None)) > CLOSE[precision]


@needs_onednn
def test_neighbours_do_not_matter(noise: Noise) -> None:
    """Other content beside an item changes not a bit of it."""
    vocos = Vocos.from_pretrained("vocos-mel-22khz-small")
    engine = engine_of(vocos)
    first, last = noise(80, 50, seed=1) - 4, noise(80, 60, seed=2) - 4
    with torch.inference_mode():
        quiet = engine.decode_joined([first, torch.full((80, 70), -11.5), last], None)
        loud = engine.decode_joined([first, torch.full((80, 70), 3.0), last], None)
    assert torch.equal(quiet[0], loud[0])
    assert torch.equal(quiet[2], loud[2])
    assert not torch.equal(quiet[1], loud[1])


@needs_onednn
def test_bandwidths_are_kept_apart(make_model: Make, noise: Noise) -> None:
    """Rows of several bandwidths are joined with their like, and come back in order."""
    vocos = make_model("encodec", "adanorm")
    features, ids = noise(6, 12, 30), torch.tensor([0, 3, 0, 1, 3, 2])
    together = vocos.decode(features, bandwidth_id=ids)
    for row, bandwidth, audio in zip(features, ids, together, strict=True):
        alone = vocos.decode(row[None], bandwidth_id=bandwidth)[0]
        assert torch.allclose(audio, alone, atol=2e-6 * float(alone.abs().max()))


@given(
    st.lists(st.tuples(st.integers(0, 900), st.sampled_from([None, 0, 1])), max_size=80),
    st.integers(1, 70),
)
def test_groups(items: list[tuple[int, int | None]], n_threads: int) -> None:
    """Each item is in one group, long ones by themselves, others with ones of their bandwidth, and not too many."""
    lengths, bandwidths = [length for length, _ in items], [bandwidth for _, bandwidth in items]
    groups = group_items(lengths, bandwidths, n_threads)
    assert sorted(n for group in groups for n in group) == list(range(len(items)))
    for group in groups:
        assert len({bandwidths[n] for n in group}) == 1
        assert len(group) == 1 or max(lengths[n] for n in group) <= SHORT_FRAMES
        assert sum(lengths[n] for n in group) <= MOST_JOINED_FRAMES + SHORT_FRAMES


@pytest.mark.parametrize(
    ("lengths", "n_threads", "sizes"),
    [
        ([86] * 8, 2, [8]),  # all cores compute one group
        ([86] * 40, 2, [10, 10, 10, 10]),  # groups for each core
        ([86] * 8 + [1000], 2, [1, 8]),
        ([258] * 40, 16, [13, 14, 13]),  # too few frames for so many cores
        ([86] * 40, 1, [14, 13, 13]),
    ],
)
def test_sizes_of_groups(lengths: list[int], n_threads: int, sizes: list[int]) -> None:
    found = [len(group) for group in group_items(lengths, [None] * len(lengths), n_threads)]
    assert sorted(found) == sorted(sizes)
    assert JOINED_FRAMES == 1024
