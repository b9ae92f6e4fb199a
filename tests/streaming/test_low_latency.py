"""With less look-ahead than the model has, samples come earlier: as if the newest frame went on for ever."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vocos_plugins import Vocos
from vocos_plugins.streaming import LOW_LATENCY_FRAMES

# Of the largest sample: matrix products of other shapes, and sums in another order, round differently in float32.
TOLERANCE = 1e-5
PARTS = [
    ("mel", "convnext", "istft", "center"),
    ("mel", "convnext", "prior", "same"),
    ("mel", "convnext", "wavenext", "same"),
    ("mel", "resnet", "imdct-cos", "center"),
]
parts_of_every_kind = pytest.mark.parametrize("parts", PARTS, ids="-".join)


def by_whole_decodes(vocos: Vocos, mel: Tensor, look_ahead: int) -> Tensor:
    """Frame by frame from the whole model: each hidden state is of the mel up to ``look_ahead``, then its last frame.

    The frames that overlap need as many more; where the mel ends within reach, the true end counts.
    """
    n_frames, n_repeated = mel.shape[2], vocos.backbone.receptive_field + 1
    behind = vocos.streaming().full_look_ahead - vocos.backbone.receptive_field
    hidden, features = [], []
    for t in range(n_frames):
        n_seen = max(1, t + look_ahead - behind + 1)
        seen = mel[:, :, :n_seen]
        if n_seen <= n_frames:
            seen = torch.cat([seen, seen[:, :, -1:].expand(-1, -1, n_repeated)], dim=2)
        hidden.append(vocos.backbone(seen)[:, t])
        features.append(seen[:, :, t])
    with torch.no_grad():
        return vocos.head(torch.stack(hidden, dim=1), torch.stack(features, dim=2))


@parts_of_every_kind
def test_equals_the_whole_model_on_a_frozen_mel(make_model, noise, stream_in, relative_error, parts) -> None:
    """At every look-ahead, from none on: the state that is real is never touched by what is guessed."""
    vocos, mel = make_model(*parts), noise(2, 12, 24)
    for look_ahead in (0, 1, 4, vocos.streaming().full_look_ahead):
        pieces = stream_in(vocos.streaming(2, look_ahead=look_ahead), mel, [1] * 24)
        expected = by_whole_decodes(vocos, mel, look_ahead)
        # The last frames, of which some were guessed and none comes after, overlap otherwise than in a whole decode.
        n_settled = expected.shape[1] - 4 * vocos.hop_length if look_ahead == 0 else expected.shape[1]
        found = torch.cat(pieces, dim=1)
        assert found.shape == expected.shape
        assert relative_error(found[:, :n_settled], expected[:, :n_settled]) < TOLERANCE


@parts_of_every_kind
def test_look_ahead_is_when_samples_come_out(make_model, noise, parts) -> None:
    """With frame ``t + look_ahead`` come those up to the middle of frame ``t``, and not earlier."""
    vocos, mel = make_model(*parts), noise(1, 12, 40)
    middle = 0 if vocos.config.n_samples(1) == 0 else vocos.hop_length // 2
    for look_ahead in range(vocos.streaming().full_look_ahead + 1):
        stream, n_out = vocos.streaming(look_ahead=look_ahead), [0]
        for frame in mel.split(1, dim=2):
            n_out.append(n_out[-1] + stream(frame).shape[1])
        assert stream.look_ahead == look_ahead
        assert stream.latency == pytest.approx(1000 * look_ahead * vocos.hop_length / vocos.sample_rate)
        for t in range(1, 40 - look_ahead):
            assert n_out[t + look_ahead] < t * vocos.hop_length + middle <= n_out[t + look_ahead + 1]


@parts_of_every_kind
@pytest.mark.parametrize("n_frames", [1, 2, 3, 7])
def test_short_mels(make_model, noise, stream_in, parts, n_frames) -> None:
    """As many samples as the whole decode gives, however early the end."""
    vocos, mel = make_model(*parts), noise(1, 12, n_frames)
    for look_ahead in range(vocos.streaming().full_look_ahead + 1):
        for lengths in ([1] * n_frames, [n_frames], [0, 0, 1]):
            pieces = stream_in(vocos.streaming(look_ahead=look_ahead), mel, lengths)
            assert torch.cat(pieces, dim=1).shape == vocos.decode(mel).shape
            assert all(torch.isfinite(piece).all() for piece in pieces)


def test_more_look_ahead_is_nearer_to_the_whole() -> None:
    """On the bundled model and a mel that moves as speech does; by its spectrum, as phases go their own ways."""
    vocos = Vocos.from_pretrained("vocos-mel-22khz-small")
    time = torch.arange(60.0)
    mel = -5 + 2 * torch.sin(time / 7 + torch.arange(80.0)[:, None] / 9)[None]

    def spectrum(audio: Tensor) -> Tensor:
        return torch.stft(audio, 512, window=torch.hann_window(512), return_complex=True).abs().clamp_min(1e-4).log()

    decoded = []
    for look_ahead in (0, 4, LOW_LATENCY_FRAMES, vocos.streaming().full_look_ahead):
        stream = vocos.streaming(look_ahead=look_ahead)
        decoded.append(torch.cat([*(stream(frame) for frame in mel.split(1, dim=2)), stream.flush()], dim=1))
    errors = [float((spectrum(audio) - spectrum(decoded[-1])).abs().mean()) for audio in decoded]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.1  # nepers


def test_low_latency_is_a_look_ahead(make_model) -> None:
    """The documented one, or all that the model sees where that is less."""
    bundled = Vocos.from_pretrained("vocos-mel-22khz-small")
    assert bundled.streaming(low_latency=True).look_ahead == LOW_LATENCY_FRAMES
    assert bundled.streaming(look_ahead=3, low_latency=True).look_ahead == 3
    tiny = make_model("mel", "convnext", "wavenext", "same")
    assert tiny.streaming(low_latency=True).look_ahead == min(LOW_LATENCY_FRAMES, tiny.streaming().full_look_ahead)
