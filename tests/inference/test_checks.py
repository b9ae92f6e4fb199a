"""The input that `decode` and copy-synthesis refuse, and their guarantees for all other input."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vocos_plugins import MelSpectrogram, Vocos, align
from vocos_plugins.inference.frames import decode_frames
from vocos_plugins.inference.windows import decode_chunks
from vocos_plugins.plugins import mel_conventions
from vocos_plugins.streaming import stream_frames

# Float32 convolutions of another memory layout, on audio that peaks near 10.
ROUNDING = 1e-4

BAD_FEATURES = {
    "integers": (lambda: torch.zeros(1, 12, 5, dtype=torch.int64), TypeError, "got torch.int64; codes go through"),
    "bool": (lambda: torch.zeros(1, 12, 5, dtype=torch.bool), TypeError, "floating point, got torch.bool"),
    "complex": (lambda: torch.zeros(1, 12, 5, dtype=torch.complex64), TypeError, "got torch.complex64"),
    "0-D": (lambda: torch.tensor(1.0), ValueError, r"\(B, 12, T\), got shape \(\)"),
    "1-D": (lambda: torch.zeros(12), ValueError, r"\(B, 12, T\), got shape \(12,\)$"),
    "2-D, frames first": (
        lambda: torch.zeros(5, 12),
        ValueError,
        r"got shape \(5, 12\); the bands come first: try mel\.T\[None\]",
    ),
    "2-D": (lambda: torch.zeros(12, 5), ValueError, r"got shape \(12, 5\); add the batch dimension: mel\[None\]"),
    "4-D": (lambda: torch.zeros(1, 1, 12, 5), ValueError, r"got shape \(1, 1, 12, 5\)$"),
    "no-frames": (lambda: torch.zeros(2, 12, 0), ValueError, r"no frames: shape \(2, 12, 0\)"),
    "transposed": (
        lambda: torch.zeros(2, 5, 12),
        ValueError,
        r"takes 12 bands, got 5 in shape \(2, 5, 12\); .*try mel.transpose\(1, 2\)",
    ),
    "other-bands": (lambda: torch.zeros(2, 80, 5), ValueError, r"takes 12 bands, got 80 in shape \(2, 80, 5\)$"),
}
BAD_AUDIO = {
    "integers": (
        lambda: torch.zeros(1, 400, dtype=torch.int16),
        TypeError,
        r"in \[-1, 1\], got torch.int16; try audio / 32768",
    ),
    "a list": (lambda: [[0.0] * 400], TypeError, "audio must be a torch tensor or a NumPy array, got list"),
    "text": (lambda: np.array([["a"]]), TypeError, "audio must hold numbers, got a NumPy array of <U1"),
    "1-D": (lambda: torch.zeros(400), ValueError, r"got shape \(400,\); add the batch dimension: audio\[None\]"),
    "3-D": (lambda: torch.zeros(1, 1, 400), ValueError, r"must be \(B, N\), got shape \(1, 1, 400\)"),
    "nan": (lambda: torch.full((1, 400), math.nan), ValueError, "NaN or infinite samples"),
    "inf": (lambda: torch.full((1, 400), math.inf), ValueError, "NaN or infinite samples"),
    "too-short": (lambda: torch.zeros(1, 32), ValueError, "32 samples.*at least 33; pad it with zeros first"),
    "empty": (lambda: torch.zeros(1, 0), ValueError, "0 samples.*at least 33"),
}


@pytest.mark.parametrize(("build", "error", "message"), BAD_FEATURES.values(), ids=BAD_FEATURES.keys())
def test_features_refused(build, error, message, make_model):
    """Each error names the value, what was expected and a likely fix."""
    with pytest.raises(error, match=message):
        make_model().decode(build())


@pytest.mark.parametrize("name", ["integers", "a list", "text", "1-D", "3-D", "too-short"])
def test_the_front_end_refuses_audio_alike(name, make_model):
    """A `MelSpectrogram` by itself, too: not in torch's words."""
    build, error, message = BAD_AUDIO[name]
    with pytest.raises(error, match=message):
        MelSpectrogram(make_model().mel)(build())


ARRAYS = {
    "float32": lambda array: array,
    "float64": lambda array: array.astype(np.float64),
    "big-endian": lambda array: array.astype(">f4"),
    "long double": lambda array: array.astype(np.longdouble),
    "backwards": lambda array: array[..., ::-1].copy()[..., ::-1],
    "read-only": lambda array: np.broadcast_to(array, array.shape),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_are_taken(kind, make_model, noise):
    """Whatever their memory looks like, and wherever a tensor is taken."""
    model, mel, audio = make_model(), noise(1, 12, 9), 0.1 * noise(1, 400)
    given, heard = ARRAYS[kind](mel.numpy()), ARRAYS[kind](audio.numpy())
    expected = model.decode(mel)
    assert torch.equal(model.decode(given), expected)
    assert torch.equal(model(heard), model(audio))
    assert torch.equal(MelSpectrogram(model.mel)(heard), MelSpectrogram(model.mel)(audio))
    assert torch.equal(torch.cat(list(decode_chunks(model, given)), dim=1), expected)
    assert torch.equal(decode_frames(model, given), decode_frames(model, mel))
    with model.streaming() as stream, model.streaming() as same:
        assert torch.equal(torch.cat([stream(given), stream.flush()], 1), torch.cat([same(mel), same.flush()], 1))
    pieces = zip(stream_frames(model, [given]), stream_frames(model, [mel]), strict=True)
    assert all(torch.equal(*pair) for pair in pieces)


def test_arrays_of_codes_are_taken(make_model):
    """As toolkits store them, in 16 bits."""
    model, codes = make_model("encodec", "adanorm", "istft", "same"), np.arange(16, dtype=np.uint16).reshape(2, 8)
    expected = model.codes_to_features(torch.from_numpy(codes.astype(np.int64)))
    assert torch.equal(model.codes_to_features(codes), expected)
    assert torch.equal(model.decode(expected.numpy(), bandwidth_id=0), model.decode(expected, bandwidth_id=0))


def test_audio_in_float64_is_taken(make_model, noise):
    """What soundfile returns; a module in float64 keeps it."""
    front_end, audio = MelSpectrogram(make_model().mel), 0.1 * noise(1, 400)
    assert torch.equal(front_end(audio.double()), front_end(audio))
    assert front_end.double()(audio.double()).dtype == torch.float64


def test_a_convention_by_its_name(noise):
    """A name is taken by `Vocos.decode`; what takes none says where the convention is."""
    mel, known = noise(1, 80, 9) - 5, mel_conventions()["nemo-fastpitch-22khz"]
    model = Vocos.from_pretrained("vocos-mel-22khz-small")
    assert torch.equal(model.decode(mel, source="nemo-fastpitch-22khz"), model.decode(mel, source=known))
    with pytest.raises(ValueError, match="unknown mel convention 'nemo-fastpich'; did you mean 'nemo-fastp"):
        model.decode(mel, source="nemo-fastpich")
    for wrong in (lambda: align("hifigan-22khz", known), lambda: MelSpectrogram("hifigan-22khz")):
        with pytest.raises(
            TypeError, match=r"expected a MelConvention, got 'hifigan-22khz'; .*mel_conventions\(\)\['hi"
        ):
            wrong()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
def test_not_finite_features_are_located(value, make_model, noise):
    """The error counts the bad values and names the first one's row, band and frame."""
    features = noise(2, 12, 5)
    features[1, 7, 3] = features[1, 8, 2] = value
    with pytest.raises(
        ValueError, match=f"hold 2 NaN or infinite values, the first in row 1, band 7, frame 3: {value}"
    ):
        make_model().decode(features)


@pytest.mark.parametrize(("build", "error", "message"), BAD_AUDIO.values(), ids=BAD_AUDIO.keys())
def test_audio_refused(build, error, message, make_model):
    """Copy-synthesis refuses invalid audio with such errors too."""
    with pytest.raises(error, match=message):
        make_model()(build())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_input_precision_is_converted(dtype, make_model, noise):
    """Features and audio may have any floating-point type; the output has the model's precision."""
    model = make_model()
    assert model.decode(noise(1, 12, 9).to(dtype)).dtype == torch.float32
    assert model(0.1 * noise(1, 400).to(dtype)).dtype == torch.float32


def test_input_is_not_changed(make_model, noise):
    """Features and lengths are not modified, and other memory layouts decode to the same audio."""
    model, features, lengths = make_model(), noise(2, 12, 9), torch.tensor([9, 4])
    kept, kept_lengths = features.clone(), lengths.clone()
    expected = model.decode(features, lengths=lengths)
    assert torch.equal(features, kept)
    assert torch.equal(lengths, kept_lengths)
    strided = features.transpose(1, 2).contiguous().transpose(1, 2)
    torch.testing.assert_close(model.decode(strided, lengths=lengths), expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("value", [1e9, -1e9, 1e15], ids=str)
@pytest.mark.parametrize("head", ["istft", "imdct-symexp", "imdct-cos", "wavenext"])
def test_absurd_levels_stay_finite(value, head, make_model):
    """A mel of absurd levels decodes to noise in the worst case, never to NaN."""
    audio = make_model("mel", "convnext", head, "same").decode(torch.full((1, 12, 9), value))
    assert torch.isfinite(audio).all()


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(0, 4),
    n_frames=st.integers(1, 40),
    head=st.sampled_from(["istft", "prior", "upsampled", "imdct-symexp", "imdct-cos", "wavenext"]),
    backbone=st.sampled_from(["convnext", "resnet"]),
    framing=st.sampled_from(["center", "same"]),
)
def test_any_shape_has_the_promised_length(make_model, noise, batch, n_frames, head, backbone, framing):
    """Audio has ``(T - 1) * hop`` samples for centred frames, ``T * hop`` for ``same``, all finite float32."""
    framing = "same" if head == "wavenext" else framing
    model = make_model("mel", backbone, head, framing)
    audio = model.decode(noise(batch, 12, n_frames))
    n_hops = n_frames - 1 if framing == "center" else n_frames
    assert audio.shape == (batch, model.hop_length * n_hops)
    assert audio.shape[1] == model.config.n_samples(n_frames)
    assert audio.dtype == torch.float32
    assert torch.isfinite(audio).all()


@settings(max_examples=25, deadline=None)
@given(n_samples=st.integers(33, 400), framing=st.sampled_from(["center", "same"]))
def test_any_audio_is_rounded_down_to_frames(make_model, noise, n_samples, framing):
    """Copy-synthesis returns the audio's length rounded down to whole frames."""
    audio = make_model("mel", "convnext", "istft", framing)(noise(1, n_samples))
    assert audio.shape == (1, n_samples // 16 * 16)


@pytest.mark.parametrize("parts", [("mel",), ("encodec", "adanorm", "istft", "same")], ids=["mel", "encodec"])
def test_properties_of_the_interface(parts, make_model):
    """A model has a sample rate, a hop length and a mel, which is None if it takes codes."""
    model = make_model(*parts)
    assert (model.sample_rate, model.hop_length) == (16000, 16)
    assert (model.mel is None) == (parts[0] == "encodec")


@pytest.mark.parametrize(
    ("dtype", "value", "limit"),
    [(torch.float32, 1e30, r"1e\+15"), (torch.float64, 1e300, r"1e\+15"), (torch.float16, 1e5, "65504")],
    ids=["float32", "float64", "half"],
)
def test_features_too_large_to_compute_with_are_refused(dtype, value, limit, make_model):
    """Features too large for a layer norm, or for half precision, would decode to NaN: they are refused."""
    features = torch.zeros(1, 12, 5, dtype=torch.float64)
    features[0, 2, 4] = value
    features = features.float() if value < 1e38 else features
    with pytest.raises(ValueError, match=f"1 values beyond {limit}, the first in row 0, band 2, frame 4"):
        make_model().to(dtype if dtype == torch.float16 else torch.float32).decode(features)
