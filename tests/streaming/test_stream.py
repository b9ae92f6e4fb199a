"""A mel that comes in chunks gives the samples of the whole decode, each as early as the layers allow."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vocos_plugins import Vocos
from vocos_plugins.config import ISTFT, VocosConfig

# Of the largest sample: matrix products of other shapes, and sums in another order, round differently in float32.
TOLERANCE = 1e-5
PARTS = [
    ("mel", "convnext", "istft", "center"),
    ("mel", "convnext", "istft", "same"),
    ("mel", "convnext", "prior", "center"),
    ("mel", "convnext", "prior", "same"),
    ("mel", "convnext", "upsampled", "center"),
    ("mel", "convnext", "upsampled", "same"),
    ("mel", "convnext", "imdct-cos", "center"),
    ("mel", "convnext", "imdct-cos", "same"),
    ("mel", "convnext", "imdct-symexp", "center"),
    ("mel", "convnext", "imdct-symexp", "same"),
    ("mel", "convnext", "wavenext", "same"),
    ("mel", "resnet", "istft", "center"),
    ("mel", "resnet", "imdct-cos", "same"),
    ("encodec", "convnext", "istft", "center"),
    ("encodec", "resnet", "istft", "same"),
]
parts_of_every_kind = pytest.mark.parametrize("parts", PARTS, ids="-".join)


@parts_of_every_kind
@settings(max_examples=12, deadline=None)
@given(lengths=st.lists(st.integers(0, 9), max_size=10), last=st.integers(0, 30))
def test_any_chunks_make_up_the_whole(
    make_model, noise, stream_in, relative_error, parts: tuple[str, ...], lengths: list[int], last: int
) -> None:
    """Empty chunks, single frames, and totals shorter than what the layers see; rows in step."""
    vocos, features = make_model(*parts), noise(2, 12, max(1, sum(lengths) + last))
    with vocos.streaming(batch_size=2) as stream:
        pieces = stream_in(stream, features, lengths)
    assert relative_error(torch.cat(pieces, dim=1), vocos.decode(features)) < TOLERANCE


@parts_of_every_kind
@pytest.mark.parametrize("n_frames", [1, 2, 5, 60])
def test_frame_by_frame(make_model, noise, stream_in, relative_error, parts, n_frames) -> None:
    """Also a mel of one frame, which gives a hop of samples or none."""
    vocos, features = make_model(*parts), noise(1, 12, n_frames)
    pieces = stream_in(vocos.streaming(), features, [1] * n_frames)
    assert relative_error(torch.cat(pieces, dim=1), vocos.decode(features)) < TOLERANCE


@pytest.mark.parametrize("bandwidth_id", [0, 3, torch.tensor([2]), torch.tensor([1, 3]), torch.tensor([[0], [2]])])
@pytest.mark.parametrize("framing", ["center", "same"])
def test_bandwidths(make_model, noise, stream_in, relative_error, framing, bandwidth_id) -> None:
    """One for all rows, or one for each."""
    vocos, features = make_model("encodec", "adanorm", "istft", framing), noise(2, 12, 40)
    pieces = stream_in(vocos.streaming(2, bandwidth_id=bandwidth_id), features, [3, 0, 1, 9])
    whole = vocos.decode(features, bandwidth_id=bandwidth_id)
    assert relative_error(torch.cat(pieces, dim=1), whole) < TOLERANCE


@pytest.mark.parametrize("ratio", [(64, 16), (40, 16), (16, 16), (30, 7)], ids=str)
@pytest.mark.parametrize("framing", ["center", "same"])
def test_any_overlap(make_config, randomize, noise, stream_in, relative_error, framing, ratio) -> None:
    """Windows that are no whole number of hops, and windows of a single hop, whose ends are nearly 0."""
    n_fft, hop_length = ratio
    plain = make_config("mel", "convnext", "istft", framing)
    mel = dataclasses.replace(plain.features, n_fft=n_fft, win_length=n_fft, hop_length=hop_length, n_mels=5)
    head = ISTFT(n_fft=n_fft, hop_length=hop_length, framing=framing)
    vocos = randomize(Vocos(VocosConfig(features=mel, backbone=plain.backbone, head=head))).double()
    features = noise(2, 5, 30, dtype=torch.float64)
    for look_ahead in range(vocos.streaming().full_look_ahead + 1):
        stream = vocos.streaming(2, look_ahead=look_ahead)
        found = torch.cat(stream_in(stream, features, [1] * 20), dim=1)
        assert found.shape == vocos.decode(features).shape
    assert relative_error(found, vocos.decode(features)) < TOLERANCE


def test_clipping(make_config, randomize, noise, stream_in, relative_error) -> None:
    """A head that clips does so after frames have been summed."""
    config = make_config("mel", "convnext", "imdct-cos", "same")
    clipped = Vocos(dataclasses.replace(config, head=dataclasses.replace(config.head, clip_audio=True)))
    vocos, features = randomize(clipped), 3 * noise(1, 12, 30)
    whole = vocos.decode(features)
    assert float(whole.abs().max()) == 1.0
    pieces = stream_in(vocos.streaming(), features, [4] * 5)
    assert relative_error(torch.cat(pieces, dim=1), whole) < TOLERANCE


@parts_of_every_kind
def test_nothing_is_computed_twice(make_model, noise, stream_in, count_frames, parts) -> None:
    """Every linear layer sees each frame once. In float64 a stream calls the modules themselves."""
    vocos = copy.deepcopy(make_model(*parts)).double()
    counts = [count_frames(module) for module in vocos.modules() if isinstance(module, torch.nn.Linear)]
    stream_in(vocos.streaming(), noise(1, 12, 50, dtype=torch.float64), [1] * 10 + [7] * 3)
    assert counts
    assert all(sum(count) == 50 for count in counts)


@parts_of_every_kind
def test_look_ahead_is_when_samples_come_out(make_model, noise, parts) -> None:
    """With frame ``t + look_ahead`` come those up to the middle of frame ``t``, and not earlier."""
    vocos = make_model(*parts)
    stream = vocos.streaming()
    middle = 0 if vocos.config.n_samples(1) == 0 else vocos.hop_length // 2
    n_out, features = [0], noise(1, 12, 60)
    for frame in features.split(1, dim=2):
        n_out.append(n_out[-1] + stream(frame).shape[1])
    for t in range(1, 60 - stream.look_ahead):
        assert n_out[t + stream.look_ahead] < t * vocos.hop_length + middle <= n_out[t + stream.look_ahead + 1]
    assert stream.look_ahead == stream.full_look_ahead
    assert stream.latency == pytest.approx(stream.look_ahead * vocos.hop_length / vocos.sample_rate * 1000)


@parts_of_every_kind
def test_look_ahead_is_what_the_model_sees(make_model, noise, parts) -> None:
    """Samples up to a frame's middle change with the frame that is `look_ahead` later, but with none after it."""
    vocos = copy.deepcopy(make_model(*parts)).double()  # float32 rounds away what the farthest frame does
    look_ahead = vocos.streaming().look_ahead
    features, t = noise(1, 12, 60, dtype=torch.float64), 20
    middle = t * vocos.hop_length + (0 if vocos.config.n_samples(1) == 0 else vocos.hop_length // 2)
    before = vocos.decode(features)[:, :middle]
    for distance, is_seen in ((look_ahead, True), (look_ahead + 1, False)):
        other = features.clone()
        other[:, :, t + distance :] += 1
        change = (vocos.decode(other)[:, :middle] - before).abs().max()
        assert bool(change > 0) is is_seen


def test_look_ahead_of_known_shapes(make_model) -> None:
    """Three frames of each convolution of seven, or of dilations 1, 3 and 5, and the frame that overlaps."""
    assert make_model("mel", "convnext", "istft", "center").streaming().look_ahead == 3 * (1 + 2) + 1
    assert make_model("mel", "convnext", "wavenext", "same").streaming().look_ahead == 3 * (1 + 2)
    assert make_model("mel", "resnet", "imdct-cos", "center").streaming().look_ahead == 1 + 2 * (2 + 4 + 6)
    bundled = Vocos.from_pretrained("vocos-mel-22khz-small").streaming()
    assert bundled.latency == pytest.approx(1000 * bundled.look_ahead * 256 / 22050)
