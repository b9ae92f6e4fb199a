"""Chunks of a text-to-speech model's mel become as many samples as its frames last."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from vocos_plugins import MelMismatch
from vocos_plugins.inference.frames import decode_frames
from vocos_plugins.streaming import stream_frames

# Of the largest sample: matrix products of other shapes, and sums in another order, round differently in float32.
TOLERANCE = 1e-5
framings = pytest.mark.parametrize("framing", ["center", "same"])
source_framings = pytest.mark.parametrize("source_framing", ["center", "same"])


@framings
@source_framings
@pytest.mark.parametrize("lengths", [[1] * 40, [40], [0, 3, 0, 30, 7], [1], [0, 1, 1]], ids=str)
def test_equals_the_whole(make_model, noise, relative_error, framing, source_framing, lengths) -> None:
    """Half a hop apart or not, values in another form: the same samples, at the same place."""
    vocos = make_model("mel", "convnext", "istft", framing)
    source = dataclasses.replace(vocos.mel, framing=source_framing, log="log10")
    mel = noise(2, 12, sum(lengths)) - 2
    pieces = list(stream_frames(vocos, mel.split(lengths, dim=2), source=source))
    expected = decode_frames(vocos, mel, source=source)
    assert expected.shape == (2, sum(lengths) * vocos.hop_length)
    assert relative_error(torch.cat(pieces, dim=1), expected) < TOLERANCE
    assert len(pieces) == len(lengths) + 1


@framings
@source_framings
def test_low_latency(make_model, noise, framing, source_framing) -> None:
    """As many samples, and earlier."""
    vocos = make_model("mel", "convnext", "istft", framing)
    source, mel = dataclasses.replace(vocos.mel, framing=source_framing), noise(1, 12, 30)
    exact = [piece.shape[1] for piece in stream_frames(vocos, mel.split(1, dim=2), source=source)]
    for options in ({"look_ahead": 0}, {"low_latency": True}):
        early = [piece.shape[1] for piece in stream_frames(vocos, mel.split(1, dim=2), source=source, **options)]
        assert sum(early) == sum(exact) == 30 * vocos.hop_length
        assert sum(early[:10]) > sum(exact[:10])


def test_pieces_come_while_chunks_do(make_model, noise) -> None:
    """Nothing is asked for in advance."""
    vocos, asked = make_model(), []

    def chunks():
        for number, chunk in enumerate(noise(1, 12, 40).split(10, dim=2)):
            asked.append(number)
            yield chunk

    pieces = stream_frames(vocos, chunks())
    assert asked == []
    next(pieces)
    assert asked == [0]
    assert next(pieces).shape[1] > 0
    assert asked == [0, 1]


def test_nothing_in_is_nothing_out(make_model, noise) -> None:
    """No chunks, or empty ones."""
    vocos = make_model()
    assert list(stream_frames(vocos, [])) == []
    assert all(piece.shape == (2, 0) for piece in stream_frames(vocos, [noise(2, 12, 0)] * 3))


def test_what_needs_the_whole_is_refused(make_model) -> None:
    """At once, before the first chunk."""
    vocos = make_model()
    with pytest.raises(MelMismatch, match="it needs the whole mel"):
        stream_frames(vocos, [], source=dataclasses.replace(vocos.mel, f_max=7000))
    with pytest.raises(MelMismatch, match="no mel"):
        stream_frames(make_model("encodec", "convnext", "istft"), [])


def test_bad_chunks(make_model, noise) -> None:
    """Are refused when they come."""
    for bad, message in ((noise(1, 11, 3), "12 bands"), (noise(1, 12, 3) * float("inf"), "infinite")):
        with pytest.raises(ValueError, match=message):
            list(stream_frames(make_model(), [bad]))
