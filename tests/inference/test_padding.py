"""Frames at the end that hold only ``pad_value`` are padding, in every way to decode a mel."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from vocos_plugins import MelConvention
from vocos_plugins.inference.frames import decode_frames
from vocos_plugins.inference.padding import filled_lengths
from vocos_plugins.inference.windows import decode_chunks, decode_windows
from vocos_plugins.streaming import stream_frames

# Of the largest sample: pieces of other shapes round differently in float32.
TOLERANCE = 1e-5
# What a source has besides the padding; "own" is the model's own mel, whose frames need no alignment.
SOURCES = {
    "own": {},
    "guard": {"guard": "add"},
    "framing": {"framing": "same"},
    "lossy": {"mel_scale": "slaney"},
}


def mel_of(pad_value: float | None) -> MelConvention:
    """A mel of three bands with a padding."""
    return MelConvention(sample_rate=8000, n_fft=64, win_length=64, hop_length=16, n_mels=3, pad_value=pad_value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("pad_value", [0.0, -11.52, -11.512925148010254])
def test_lengths(pad_value, dtype, noise):
    """Only whole frames at the end count, only if all bands hold the value, in any precision."""
    mel = noise(6, 3, 5).to(dtype)
    mel[1, :, 4:] = pad_value
    mel[2, :, 2:] = pad_value
    mel[3] = pad_value
    mel[4, :2, 3:] = pad_value
    mel[5, :, 1:3] = pad_value
    assert filled_lengths(mel, mel_of(pad_value)).tolist() == [5, 4, 2, 0, 5, 5]
    assert filled_lengths(mel[[0, 4, 5]], mel_of(pad_value)) is None
    assert filled_lengths(mel, mel_of(None)) is None
    assert filled_lengths(mel, None) is None
    assert filled_lengths(mel[..., :0], mel_of(pad_value)) is None


def test_values_that_are_no_numbers_are_no_padding():
    """Values that are not finite are no padding, and are refused later."""
    assert filled_lengths(torch.full((1, 2, 3), float("nan")), mel_of(0.0)) is None


@pytest.fixture(params=SOURCES)
def source(request, make_model) -> MelConvention:
    """The convention of the padded mels."""
    return dataclasses.replace(make_model().mel, pad_value=0.0, **SOURCES[request.param])


@pytest.fixture
def vocos(request, source, make_model):
    """A model for these mels; its own mel is the source if the source differs in the padding only."""
    model = make_model()
    if dataclasses.replace(source, pad_value=None) == model.mel:
        model.config = dataclasses.replace(model.config, features=source)
    return model


@pytest.mark.filterwarnings("ignore::vocos_plugins.mel.MelMismatchWarning")
@pytest.mark.parametrize("n_padded", [0, 1, 5, 30])
def test_every_way_leaves_it_out(n_padded, source, vocos, noise, relative_error) -> None:
    """Whole, in pieces, in step with a model and as a stream: the filled frames' audio, then silence."""
    mel = noise(1, 12, 30) - 4
    filled = mel[:, :, : 30 - n_padded]
    mel[:, :, 30 - n_padded :] = 0.0
    found = vocos.decode(mel, source=source)
    lengths = torch.tensor([30 - n_padded])
    assert torch.equal(found, vocos.decode(mel, source=source, lengths=lengths))
    if n_padded < 30:
        expected = vocos.decode(filled, source=source)
        assert relative_error(found[:, : expected.shape[1]], expected) < TOLERANCE
        assert (found[:, expected.shape[1] :] == 0).all()
    pieces = torch.cat(list(decode_chunks(vocos, mel, source=source, chunk_frames=8)), dim=1)
    assert pieces.shape == found.shape
    torch.testing.assert_close(
        pieces, found, rtol=0, atol=TOLERANCE * float(vocos.decode(noise(1, 12, 30)).abs().max())
    )
    held = decode_frames(vocos, mel, source=source)
    assert torch.equal(held, decode_frames(vocos, mel, source=source, lengths=lengths))
    if source.mel_scale == vocos.mel.mel_scale:
        streamed = torch.cat(list(stream_frames(vocos, mel.split(4, dim=2), source=source)), dim=1)
        assert streamed.shape == held.shape
        torch.testing.assert_close(streamed, held, rtol=0, atol=TOLERANCE * max(1.0, float(held.abs().max())))


def test_frames_of_that_value_in_the_middle(source, vocos, noise, relative_error) -> None:
    """Only the end is padding: also at the end of a piece or of a chunk, the value is sound."""
    if source.mel_scale != vocos.mel.mel_scale:
        return
    mel = noise(1, 12, 40) - 4
    mel[:, :, 4:17] = 0.0
    found, every = vocos.decode(mel, source=source), torch.tensor([40])
    assert torch.equal(found, vocos.decode(mel, source=source, lengths=every))
    pieces = list(decode_chunks(vocos, mel, source=source, chunk_frames=8))
    assert relative_error(torch.cat(pieces, dim=1), found) < TOLERANCE
    streamed = torch.cat(list(stream_frames(vocos, mel.split(4, dim=2), source=source)), dim=1)
    assert relative_error(streamed, decode_frames(vocos, mel, source=source, lengths=every)) < TOLERANCE


@pytest.mark.filterwarnings("ignore::vocos_plugins.mel.MelMismatchWarning")
def test_rows_of_a_batch(source, vocos, noise) -> None:
    """Each row of a batch has its own end; pieces of a batch equal the whole."""
    mel = noise(3, 12, 20) - 4
    mel[1, :, 12:] = 0.0
    mel[2] = 0.0
    found = vocos.decode(mel, source=source)
    assert torch.equal(found, vocos.decode(mel, source=source, lengths=torch.tensor([20, 12, 0])))
    assert torch.equal(torch.cat(list(decode_chunks(vocos, mel, source=source, chunk_frames=8)), dim=1), found)
    # Windows are for single mels: a batch of them ends where its longest row does.
    longest = list(decode_windows(vocos, mel[1:], source=source, chunk_frames=8))
    assert sum(window.n_samples + window.silence for window in longest) == found.shape[1]
    assert longest[-1].silence > 0
