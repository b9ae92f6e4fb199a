"""A mel that comes in chunks gives the samples of the whole decode, each as early as the layers allow."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vocos_plugins import Vocos
from vocos_plugins.config import ISTFT, VocosConfig
from vocos_plugins.inference.backend import Backend
from vocos_plugins.streaming import Stream

# Of the largest sample: matrix products of other shapes, and sums in another order, round differently in float32.
TOLERANCE = 1e-5
BFLOAT16_TOLERANCE = 0.05  # the same in bfloat16, whose steps are 0.4 %
PARTS = [
    ("mel", "convnext", "istft", "center"),
    ("mel", "convnext", "istft", "same"),
    ("mel", "convnext", "prior", "center"),
    ("mel", "convnext", "prior", "same"),
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
    """Every linear layer sees each frame once. In training mode a stream calls the modules themselves."""
    vocos = copy.deepcopy(make_model(*parts)).train()
    counts = [count_frames(module) for module in vocos.modules() if isinstance(module, torch.nn.Linear)]
    stream_in(vocos.streaming(), noise(1, 12, 50), [1] * 10 + [7] * 3)
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


def test_streams_beside_each_other(make_model, noise, stream_in) -> None:
    """From several threads at once, each its own mel: what each gives alone, to the bit."""
    vocos = make_model()
    mels = [noise(1, 12, 40, seed=seed) for seed in range(6)]
    alone = [torch.cat(stream_in(vocos.streaming(), mel, [1] * 20), dim=1) for mel in mels]
    together: dict[int, torch.Tensor] = {}

    def decode(number: int) -> None:
        together[number] = torch.cat(stream_in(vocos.streaming(), mels[number], [1] * 20), dim=1)

    threads = [threading.Thread(target=decode, args=(number,)) for number in range(len(mels))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(together[number], expected) for number, expected in enumerate(alone))


def test_interleaved_streams(make_model, noise) -> None:
    """Two streams in turn don't hear each other."""
    vocos, mel = make_model(), noise(1, 12, 30)
    first, second = vocos.streaming(), vocos.streaming()
    for frame in mel.split(1, dim=2):
        assert torch.equal(first(frame), second(frame))
        vocos.streaming()(-frame)
    assert torch.equal(first.flush(), second.flush())


def test_reset_begins_anew(make_model, noise, stream_in) -> None:
    """In the middle, after a flush, and after the ``with``."""
    vocos, mel = make_model(), noise(1, 12, 30)
    expected = torch.cat(stream_in(vocos.streaming(), mel, [5, 1]), dim=1)
    with vocos.streaming() as stream:
        stream(noise(1, 12, 17, seed=9))
        for _ in range(2):
            stream.reset()
            assert torch.equal(torch.cat(stream_in(stream, mel, [5, 1]), dim=1), expected)
    stream.reset()
    assert torch.equal(torch.cat(stream_in(stream, mel, [5, 1]), dim=1), expected)


def test_an_ended_stream_takes_nothing(make_model, noise) -> None:
    """Neither after `flush` nor after its ``with``, which lets go of all that it held."""
    vocos, mel = make_model(), noise(1, 12, 30)
    with vocos.streaming() as flushed:
        flushed.flush()
        with pytest.raises(RuntimeError, match=r"reset\(\) begins anew"):
            flushed(mel)
        with pytest.raises(RuntimeError, match="has ended"):
            flushed.flush()
    with vocos.streaming() as left:
        left(mel)
    with pytest.raises(RuntimeError, match="has ended"):
        left.flush()
    assert left._progress is None


def test_nothing_in_is_nothing_out(make_model, noise) -> None:
    """A flush without a frame, and empty chunks."""
    stream = make_model("mel", "convnext", "istft", "same").streaming(3)
    assert stream(noise(3, 12, 0)).shape == (3, 0)
    assert stream.flush().shape == (3, 0)


def test_bad_chunks_change_nothing(make_model, noise, stream_in) -> None:
    """They are refused as `decode` refuses them, and the stream goes on as if they had not come."""
    vocos, mel = make_model(), noise(1, 12, 30)
    expected = torch.cat(stream_in(vocos.streaming(), mel, [10]), dim=1)
    stream = vocos.streaming()
    pieces = [stream(mel[:, :, :10])]
    for bad, error, message in (
        (mel.long(), TypeError, "floating point"),
        (mel[0], ValueError, "batch dimension"),
        (mel[:, :11], ValueError, "12 bands"),
        (mel[:, :, :0].transpose(1, 2), ValueError, "12 bands"),
        (mel.expand(2, -1, -1), ValueError, "1 rows in step, got 2"),
        (mel * float("nan"), ValueError, "NaN"),
    ):
        with pytest.raises(error, match=message):
            stream(bad)
    pieces += [stream(mel[:, :, 10:]), stream.flush()]
    assert torch.equal(torch.cat(pieces, dim=1), expected)


def test_bad_options(make_model) -> None:
    """Each names what it may be."""
    vocos = make_model()
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        vocos.streaming(0)
    for look_ahead in (-1, 11):
        with pytest.raises(ValueError, match=f"0 to 10 frames, all that this model sees; got {look_ahead}"):
            vocos.streaming(look_ahead=look_ahead)
    with pytest.raises(ValueError, match="has no bandwidths"):
        vocos.streaming(bandwidth_id=1)
    with pytest.raises(ValueError, match="needs a bandwidth_id"):
        make_model("encodec", "adanorm", "istft").streaming()
    vocos = copy.deepcopy(vocos)
    vocos.backbone = torch.nn.Sequential(vocos.backbone)
    with pytest.raises(TypeError, match="can't stream through a Sequential"):
        vocos.streaming()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("parts", [PARTS[2], PARTS[9]], ids="-".join)
def test_other_precisions(make_model, noise, stream_in, relative_error, parts, dtype) -> None:
    """The backbone runs in the model's, the head in float32 at least; audio is of the same type as `decode`'s."""
    vocos, mel = copy.deepcopy(make_model(*parts)).to(dtype), noise(2, 12, 30)
    found, whole = torch.cat(stream_in(vocos.streaming(2), mel, [1] * 9), dim=1), vocos.decode(mel)
    assert found.dtype == whole.dtype
    tolerance = TOLERANCE if dtype == torch.float64 else BFLOAT16_TOLERANCE
    assert relative_error(found, whole) < tolerance


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("bandwidth_id", [None, 1, torch.tensor([2, 0])], ids=str)
def test_computes_as_the_backend_does(make_model, noise, stream_in, precision, bandwidth_id) -> None:
    """The linear layers in the precision of `decode`: what that costs against float32, and no more."""
    try:
        backend = Backend(precision=precision)
    except ValueError as error:
        pytest.skip(str(error))
    parts = ("mel", "convnext", "istft") if bandwidth_id is None else ("encodec", "adanorm", "istft")
    exact, vocos = make_model(*parts), copy.deepcopy(make_model(*parts))
    vocos.backend = backend
    features = noise(2, 12, 300)  # more than the frames that are computed at once
    whole = exact.decode(features, bandwidth_id=bandwidth_id)
    for lengths in ([], [1] * 40):
        found = torch.cat(stream_in(vocos.streaming(2, bandwidth_id=bandwidth_id), features, lengths), dim=1)
        lost = vocos.decode(features, bandwidth_id=bandwidth_id) - whole
        if precision == "float32":
            assert float((found - whole).abs().max()) < TOLERANCE * float(whole.abs().max())
        else:
            assert 0.5 < float((found - whole).norm() / lost.norm()) < 2


def test_records_no_gradients(make_model, noise) -> None:
    """As `decode`; and the mel that comes in is left alone, also if it is changed later."""
    vocos, mel = make_model(), noise(1, 12, 30)
    stream, whole = vocos.streaming(), vocos.decode(mel)
    chunk = mel[:, :, :15].clone().requires_grad_()
    pieces = [stream(chunk)]
    with torch.no_grad():
        chunk.zero_()
    pieces += [stream(mel[:, :, 15:]), stream.flush()]
    assert not any(piece.requires_grad for piece in pieces)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=0, atol=TOLERANCE * float(whole.abs().max()))


def test_samples_that_came_out_stay(make_model, noise) -> None:
    """What a caller does to a piece of audio doesn't reach the next one."""
    vocos, mel = make_model(), noise(1, 12, 40)
    left_alone, changed = vocos.streaming(), vocos.streaming()
    for chunk in mel.split(8, dim=2):
        piece = left_alone(chunk)
        found = changed(chunk)
        assert torch.equal(found, piece)
        found.mul_(0)
    assert torch.equal(left_alone.flush(), changed.flush())


def test_the_model_is_left_as_it_is(make_model, noise, stream_in) -> None:
    """It can be copied and pickled while a stream is open, and holds nothing of it."""
    vocos, mel = copy.deepcopy(make_model()), noise(1, 12, 30)
    size = len(pickle.dumps(vocos))
    stream = vocos.streaming()
    first = stream(mel[:, :, :20])
    assert len(pickle.dumps(vocos)) == size
    other = pickle.loads(pickle.dumps(copy.deepcopy(vocos)))  # noqa: S301
    assert torch.equal(other.decode(mel), vocos.decode(mel))
    assert torch.equal(first, other.streaming()(mel[:, :, :20]))
    assert isinstance(stream, Stream)


def test_follows_the_model_at_reset(make_model, randomize, noise, stream_in) -> None:
    """New weights, or another precision, count from there on."""
    vocos, mel = copy.deepcopy(make_model("mel", "resnet", "istft")), noise(1, 12, 30)
    stream = vocos.streaming()
    stream(mel)
    randomize(vocos, seed=5).double()
    stream.reset()
    found, whole = torch.cat(stream_in(stream, mel, [7]), dim=1), vocos.decode(mel)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, whole, rtol=0, atol=TOLERANCE * float(whole.abs().max()))
