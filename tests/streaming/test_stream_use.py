"""How a stream may be used: beside others, begun anew, ended, and given what it can't take."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest
import torch

# Of the largest sample: matrix products of other shapes, and sums in another order, round differently in float32.
TOLERANCE = 1e-5


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
        with pytest.raises(RuntimeError, match=r"call reset\(\) to start again"):
            flushed(mel)
        with pytest.raises(RuntimeError, match="has ended"):
            flushed.flush()
    with vocos.streaming() as left:
        left(mel)
    with pytest.raises(RuntimeError, match="has ended"):
        left.flush()
    assert left._state is None


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
        (mel.expand(2, -1, -1), ValueError, "batch_size=1, got a batch of 2"),
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
    with pytest.raises(TypeError, match="not Sequential; restore the model's own"):
        vocos.streaming()


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
