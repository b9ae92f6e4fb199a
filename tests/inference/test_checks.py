"""The input that `decode` and copy-synthesis refuse, and their guarantees for all other input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
    "integers": (lambda: torch.zeros(1, 400, dtype=torch.int16), TypeError, r"in \[-1, 1\], got torch.int16"),
    "1-D": (lambda: torch.zeros(400), ValueError, r"must be \(B, N\), got shape \(400,\)"),
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
    head=st.sampled_from(["istft", "prior", "imdct-symexp", "imdct-cos", "wavenext"]),
    backbone=st.sampled_from(["convnext", "resnet"]),
    framing=st.sampled_from(["center", "same"]),
)
def test_any_shape_has_the_promised_length(make_model, noise, batch, n_frames, head, backbone, framing):
    """Audio has ``(T - 1) * hop`` samples for centred frames, ``T * hop`` for ``same``, all finite float32."""
    framing = "same" if head == "wavenext" else framing
    model = make_model("mel", backbone, head, framing)
    audio = model.decode(noise(batch, 12, n_frames))
    assert audio.shape == (batch, 16 * (n_frames - 1 if framing == "center" else n_frames))
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


def test_an_array_is_no_tensor(make_model):
    """A NumPy array is refused; the error names torch.as_tensor."""
    with pytest.raises(TypeError, match=r"got ndarray; try torch\.as_tensor\(mel\)"):
        make_model().decode(torch.zeros(1, 12, 5).numpy())
