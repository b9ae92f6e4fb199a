"""Decoding in pieces equals decoding the whole."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from vocos_plugins import Vocos
from vocos_plugins.inference.windows import decode_chunks, resynthesize_chunks

# Frames meet in another order: float32 rounding, relative to the largest sample.
TOLERANCE = 1e-5
PARTS = [
    ("mel", "convnext", "istft", "center"),
    ("mel", "convnext", "prior", "same"),
    ("mel", "convnext", "upsampled", "center"),
    ("mel", "convnext", "upsampled", "same"),
    ("mel", "resnet", "istft", "same"),
    ("mel", "convnext", "imdct-cos", "center"),
    ("mel", "convnext", "imdct-symexp", "same"),
    ("mel", "convnext", "wavenext", "same"),
]


@pytest.mark.parametrize("n_frames", [1, 2, 7, 8, 9, 40, 101])
@pytest.mark.parametrize("parts", PARTS, ids="-".join)
def test_pieces_of_a_mel_make_up_the_whole(make_model, noise, relative_error, parts, n_frames) -> None:
    """Whatever the length, also where a piece is shorter than its context or the last one is a single frame."""
    vocos = make_model(*parts)
    mel = noise(2, 12, n_frames)
    pieces = list(decode_chunks(vocos, mel, chunk_frames=8))
    assert relative_error(torch.cat(pieces, dim=1), vocos.decode(mel)) < TOLERANCE


@pytest.mark.parametrize("framing", ["center", "same"])
def test_pieces_of_a_refined_mel_make_up_the_whole(make_config, randomize, noise, relative_error, framing) -> None:
    """Each pass of a refinement sees more frames; in float64, as passes divide by magnitudes that may be small."""
    plain = make_config("mel", "convnext", "istft", framing)
    head = dataclasses.replace(plain.head, refinement_steps=4)
    vocos = randomize(Vocos(dataclasses.replace(plain, head=head))).double()
    mel = noise(2, 12, 60, dtype=torch.float64)
    pieces = list(decode_chunks(vocos, mel, chunk_frames=8))
    assert relative_error(torch.cat(pieces, dim=1), vocos.decode(mel)) < TOLERANCE


def test_pieces_of_codes_make_up_the_whole(make_model, noise, relative_error) -> None:
    """At each bandwidth of a conditioned model."""
    vocos = make_model("encodec", "adanorm", "istft", "same")
    features = noise(2, 12, 40)
    for bandwidth_id in range(4):
        pieces = list(decode_chunks(vocos, features, bandwidth_id=bandwidth_id, chunk_frames=8))
        assert len(pieces) == 5
        assert relative_error(torch.cat(pieces, dim=1), vocos.decode(features, bandwidth_id=bandwidth_id)) < TOLERANCE


@pytest.mark.parametrize("n_samples", [1, 33, 16 * 8, 16 * 50, 2000, 3001])
@pytest.mark.parametrize("parts", PARTS[:3], ids="-".join)
def test_pieces_of_audio_make_up_the_whole(make_model, noise, relative_error, parts, n_samples) -> None:
    """As many samples as came in, equal to the model on the whole filled up with zeros; blocks of any length."""
    vocos = make_model(*parts)
    audio = 0.1 * noise(2, n_samples)
    whole = vocos(audio, length=n_samples)
    assert whole.shape == audio.shape
    for block in (n_samples, 100, 7):
        pieces = list(resynthesize_chunks(vocos, audio.split(block, dim=1), chunk_frames=8))
        assert relative_error(torch.cat(pieces, dim=1), whole) < TOLERANCE


def test_context_is_needed(make_model, noise, relative_error) -> None:
    """The test above can fail: half the context gives audible seams."""
    vocos = make_model("mel", "convnext", "istft", "center")
    mel = noise(1, 12, 60)
    half = vocos.context_frames // 2
    cut = vocos.decode(mel[:, :, 30 - half :])[:, half * vocos.hop_length :]
    assert relative_error(cut, vocos.decode(mel)[:, 30 * vocos.hop_length :]) > 100 * TOLERANCE


def test_bad_values_are_found_before_anything_is_decoded(make_model, noise) -> None:
    """A NaN near the end fails at once, with its place in the whole mel."""
    mel = noise(1, 12, 50)
    mel[0, 3, 47] = float("nan")
    with pytest.raises(ValueError, match="band 3, frame 47"):
        next(decode_chunks(make_model("mel", "convnext", "istft", "center"), mel, chunk_frames=8))


def test_no_blocks_give_no_audio(make_model) -> None:
    """An empty stream is no error here; files without samples are refused where they are read."""
    assert list(resynthesize_chunks(make_model(), [])) == []


@pytest.mark.parametrize("framing", ["center", "same"])
def test_length_keeps_the_last_samples(make_model, chirp, relative_error, framing) -> None:
    """With ``length`` the output is as long as asked, and equals the plain one of audio filled up with zeros."""
    vocos = make_model("mel", "convnext", "istft", framing)
    audio = chirp(16 * 30 + 5)
    filled = torch.nn.functional.pad(audio, (0, 11))
    assert vocos(audio).shape == (1, 16 * 30)
    assert relative_error(vocos(audio, length=16 * 30 + 5), vocos(filled)[:, :-11]) < TOLERANCE
    assert vocos(audio, length=100).shape == (1, 100)
    assert vocos(audio, length=700).shape == (1, 700)
