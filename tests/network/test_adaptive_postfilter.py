"""The adaptive postfilter: sharpens predicted mels by how blurred they are, alike in every way to decode."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.config import AdaptivePostfilter, VocosConfig
from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.export.exportable import Exportable
from vocos_plugins.export.onnx import onnx_model
from vocos_plugins.export.sessions import OnnxSession
from vocos_plugins.inference.frames import decode_frames
from vocos_plugins.inference.windows import decode_chunks
from vocos_plugins.mel.speech import CLIPS, read_clip
from vocos_plugins.network.postfilter import AdaptivePostfilter as Module

# Of values of about 10: float32 against float64.
CLOSE = 1e-4
# Of full scale: the same products, in pieces of other shapes.
ROUNDING = 1e-5
OPTIONS = AdaptivePostfilter(window_frames=32)


def by_definition(mel: np.ndarray, weight: np.ndarray, options: AdaptivePostfilter) -> np.ndarray:
    """Filters a mel ``(n_mels, T)`` frame by frame, in float64."""
    filtered = np.empty_like(mel)
    for t in range(mel.shape[1]):
        recent = mel[:, max(0, t + 1 - options.window_frames) : t + 1]
        deviation = mel[:, t] - recent.mean(axis=1)
        amplitude = np.sqrt(np.exp(recent).sum(axis=0))
        roughness = np.average(np.abs(np.diff(recent, 2, axis=0)).mean(axis=0), weights=amplitude)
        share = 0 if t < 7 else np.clip((options.sharp - roughness) / (options.sharp - options.blurred), 0, 1)
        filtered[:, t] = mel[:, t] + share * (weight @ deviation - deviation)
    return filtered


@pytest.fixture(scope="module")
def weight(noise):
    """Twice each band, less half of its neighbour above, and some noise."""
    return 2 * torch.eye(80) - 0.5 * torch.eye(80).roll(1, dims=1) + 0.01 * noise(80, 80)


@pytest.fixture(scope="module")
def filtered(plain, weight) -> Vocos:
    """The same model with an adaptive postfilter."""
    vocos = copy.deepcopy(plain)
    vocos.set_postfilter(weight, options=OPTIONS)
    return vocos


@pytest.fixture(scope="module")
def mel(noise):
    """Smooth in its first half and rougher in its second, ``(2, 80, 120)``."""
    bands = torch.linspace(0, 6, 80)[None, :, None]
    smooth = -5 + 2 * torch.sin(bands + torch.linspace(0, 9, 120)[None, None]) + torch.tensor([0.0, 1.0])[:, None, None]
    return smooth + noise(2, 80, 120) * torch.linspace(0, 0.3, 120)


def streamed(vocos: Vocos, mel: torch.Tensor, step: int) -> torch.Tensor:
    """Decodes a batch of two as a stream, some frames at a time."""
    with vocos.streaming(2) as stream:
        pieces = [stream(mel[:, :, at : at + step]) for at in range(0, mel.shape[2], step)]
        return torch.cat([*pieces, stream.flush()], dim=1)


def test_equals_its_definition(filtered, mel, weight) -> None:
    """Frame by frame, with all, a part and none of the map in turn."""
    share = filtered.postfilter.parts(mel)[1]
    assert (float(share.max()), float(share.min())) == (1.0, 0.0)
    assert bool(((share > 0.1) & (share < 0.9)).any())
    for row, found in zip(mel, filtered.postfiltered(mel), strict=True):
        expected = by_definition(row.double().numpy(), weight.double().numpy(), OPTIONS)
        np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=CLOSE)


def test_every_way_to_decode(plain, filtered, mel) -> None:
    """Whole, ragged, in chunks, in a stream and in step with a toolkit: as the model decodes the filtered mel."""
    sharper = filtered.postfiltered(mel)
    expected = plain.decode(sharper)
    assert float((expected - plain.decode(mel)).abs().max()) > 0.01
    torch.testing.assert_close(filtered.decode(mel), expected, rtol=0, atol=ROUNDING)
    lengths, padded = torch.tensor([120, 70]), mel.clone()
    padded[1, :, 70:] = torch.nan
    ragged = filtered.decode(padded, lengths=lengths)
    torch.testing.assert_close(ragged, plain.decode(sharper, lengths=lengths), rtol=0, atol=ROUNDING)
    for chunk_frames in (16, 50):
        chunks = torch.cat(list(decode_chunks(filtered, mel, chunk_frames=chunk_frames)), dim=1)
        torch.testing.assert_close(chunks, expected, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(decode_frames(filtered, mel), decode_frames(plain, sharper), rtol=0, atol=ROUNDING)
    for step in (1, 7, 50):
        torch.testing.assert_close(streamed(filtered, mel, step), streamed(plain, sharper, step), rtol=0, atol=ROUNDING)


def test_exports(plain, filtered, mel) -> None:
    """It is part of files, with mels of other lengths than the example's."""
    sharper = filtered.postfiltered(mel)
    found, expected = Exportable(filtered).audio(mel), Exportable(plain).audio(sharper)
    torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING)
    sessions = [OnnxSession(onnx_model(vocos).SerializeToString()) for vocos in (filtered, plain)]
    for n_frames in (3, 120):
        found, expected = (
            torch.from_numpy(session(given[:, :, :n_frames].numpy()))
            for session, given in zip(sessions, (mel, sharper), strict=True)
        )
        torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("clip", CLIPS)
def test_recordings_are_left_alone(filtered, clip) -> None:
    """Every frame of a recording's mel is returned as it is."""
    mel = MelSpectrogram(filtered.mel)(torch.as_tensor(read_clip(clip, 22050))[None])
    vocos = copy.deepcopy(filtered)
    vocos.set_postfilter(filtered.postfilter.weight, options=AdaptivePostfilter())
    assert torch.equal(vocos.postfiltered(mel), mel)


def test_values_beyond_all_sound(filtered) -> None:
    """Neither silence nor an absurd level gives anything that is not finite; a constant mel stays as it is."""
    for level in (-1e4, -11.5, 0.0, 1e3):
        constant = torch.full((1, 80, 40), level)
        torch.testing.assert_close(filtered.postfiltered(constant), constant, rtol=1e-5, atol=1e-5)
    falling = torch.linspace(-1e4, 1e4, 80)[None, :, None].expand(1, 80, 40)
    assert bool(torch.isfinite(filtered.postfiltered(falling)).all())


def test_saved_and_loaded(filtered, weight, mel, tmp_path) -> None:
    """With its options and its weight, which stays float32 where the others are float16."""
    filtered.save_pretrained(tmp_path / "model", half=True)
    loaded = Vocos.from_pretrained(tmp_path / "model", precision="float32")
    assert loaded.config == filtered.config
    assert isinstance(loaded.postfilter, Module)
    assert torch.equal(loaded.postfilter.weight, weight)
    assert torch.equal(loaded.postfiltered(mel), filtered.postfiltered(mel))


def test_refusals(plain) -> None:
    """Options out of range, and mels whose steps are not in nepers."""
    for options, words in (
        ({"window_frames": 0}, "window_frames must be at least 1"),
        ({"window_frames": 100}, "window_frames must be a power of two, got 100"),
        ({"blurred": 0.5}, "expected 0 <= blurred < sharp, got blurred=0.5, sharp=0.42"),
        ({"blurred": -0.1}, "expected 0 <= blurred < sharp"),
    ):
        with pytest.raises(ValueError, match=words):
            AdaptivePostfilter(**options)
    config = plain.config
    for change in ({"log": "log10"}, {"log_gain": 20.0}):
        with pytest.raises(ConfigError, match="an adaptive postfilter needs a mel in natural logarithms"):
            VocosConfig(
                features=dataclasses.replace(config.features, **change),
                backbone=config.backbone,
                head=config.head,
                postfilter=OPTIONS,
            )
