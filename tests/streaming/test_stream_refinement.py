"""A head that refines its spectrum streams, too: each pass waits for the frames that overlap, and keeps its own."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vocos_plugins import Vocos
from vocos_plugins.config import ISTFT, VocosConfig

# Of the largest sample, in float64, where rounding does not grow by what a pass divides by.
TOLERANCE = 1e-6
FLOAT32_TOLERANCE = 1e-3  # each pass divides by magnitudes that may be small
framings = pytest.mark.parametrize("framing", ["center", "same"])


@pytest.fixture(scope="session")
def make_refined(make_config, randomize):
    """A small model with passes, from the number of them and the lengths of its frames, in float64."""

    def make(framing: str, steps: int, n_fft: int = 64, hop_length: int = 16) -> Vocos:
        plain = make_config("mel", "convnext", "istft", framing)
        mel = dataclasses.replace(plain.features, n_fft=n_fft, win_length=n_fft, hop_length=hop_length, n_mels=5)
        head = ISTFT(n_fft=n_fft, hop_length=hop_length, framing=framing, refinement_steps=steps)
        return randomize(Vocos(VocosConfig(features=mel, backbone=plain.backbone, head=head))).double()

    return make


@framings
@pytest.mark.parametrize("ratio", [(64, 16), (40, 16), (16, 16), (30, 7)], ids=str)
@pytest.mark.parametrize("steps", [1, 3])
@settings(max_examples=6, deadline=None)
@given(lengths=st.lists(st.integers(0, 9), max_size=10), last=st.integers(0, 40))
def test_any_chunks_make_up_the_whole(
    make_refined, noise, stream_in, relative_error, framing: str, steps: int, ratio, lengths: list[int], last: int
) -> None:
    """Whatever the overlap, also for totals shorter than what the passes see."""
    vocos = make_refined(framing, steps, *ratio)
    mel = noise(2, 5, max(1, sum(lengths) + last), dtype=torch.float64)
    found = torch.cat(stream_in(vocos.streaming(2), mel, lengths), dim=1)
    assert relative_error(found, vocos.decode(mel)) < TOLERANCE


@framings
def test_in_float32(make_refined, noise, stream_in, relative_error, framing) -> None:
    """As far as its rounding goes."""
    vocos, mel = make_refined(framing, 2).float(), noise(2, 5, 60)
    found = torch.cat(stream_in(vocos.streaming(2), mel, [1] * 60), dim=1)
    assert relative_error(found, vocos.decode(mel)) < FLOAT32_TOLERANCE


@framings
def test_look_ahead(make_refined, noise, framing) -> None:
    """Three frames more for each pass: when samples come out, and what they depend on."""
    vocos, mel, middle = make_refined(framing, 2), noise(1, 5, 70, dtype=torch.float64), 8 * (framing == "same")
    stream, n_out = vocos.streaming(), [0]
    assert stream.look_ahead == 3 * (1 + 2) + 3 * 2 + 1
    for frame in mel.split(1, dim=2):
        n_out.append(n_out[-1] + stream(frame).shape[1])
    for t in range(1, 70 - stream.look_ahead):
        assert n_out[t + stream.look_ahead] < 16 * t + middle <= n_out[t + stream.look_ahead + 1]
    before = vocos.decode(mel)[:, : 16 * 30 + middle]
    for distance, is_seen in ((stream.look_ahead, True), (stream.look_ahead + 1, False)):
        other = mel.clone()
        other[:, :, 30 + distance :] += 1
        change = (vocos.decode(other)[:, : 16 * 30 + middle] - before).abs().max()
        assert bool(change > 0) is is_seen


def by_whole_decodes(vocos: Vocos, mel: Tensor, look_ahead: int) -> Tensor:
    """Each frame from the whole model on the mel up to ``look_ahead`` after it, which then stands still."""
    n_frames, behind = mel.shape[2], 1  # frames that overlap
    spectra = []
    with torch.no_grad():
        for t in range(n_frames):
            n_seen = max(1, t + look_ahead - behind + 1)
            still = mel[:, :, min(n_seen, n_frames) - 1, None].expand(-1, -1, 40 if n_seen <= n_frames else 0)
            seen = torch.cat([mel[:, :, :n_seen], still], dim=2)
            spectra.append(vocos.head.refined(vocos.head.spectrum(vocos.backbone(seen), seen))[:, :, t])
        return vocos.head._inverse(torch.stack(spectra, dim=2), None)


@framings
def test_low_latency(make_refined, noise, stream_in, relative_error, framing) -> None:
    """What a pass keeps is never touched by what is guessed."""
    vocos, mel = make_refined(framing, 2), noise(2, 5, 30, dtype=torch.float64)
    for look_ahead in (1, 4, 11, vocos.streaming().full_look_ahead):
        found = torch.cat(stream_in(vocos.streaming(2, look_ahead=look_ahead), mel, [1] * 30), dim=1)
        assert relative_error(found, by_whole_decodes(vocos, mel, look_ahead)) < TOLERANCE
    found = torch.cat(stream_in(vocos.streaming(2, look_ahead=0), mel, [1] * 30), dim=1)
    assert found.shape == vocos.decode(mel).shape
