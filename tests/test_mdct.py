"""The modified discrete cosine transform and its inverse."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vocos_plugins.spectral import imdct, mdct, sine_window

# The window is rounded to float32, so that it meets the Princen-Bradley condition to 1e-7.
WINDOW_ROUNDING = 5e-7
# Float64 audio near 1 through two such windows.
ROUND_TRIP = 5e-6
# Float64 all the way.
EXACT = 1e-10
# The reference's rotations come from float32 angles of up to n turns, which costs it about 1e-7 * n; ours from float64.
REFERENCE_ANGLES = 4e-7
# Float32 audio near 1 through a long FFT.
SINGLE = 2e-6

lengths = pytest.mark.parametrize("length", [8, 30, 64])
framings = pytest.mark.parametrize("framing", ["center", "same"])


def window(length: int) -> torch.Tensor:
    return sine_window(length).double()


def test_window_meets_princen_bradley():
    """Squares of a window's halves sum to 1, and it is scipy's ``cosine``."""
    from scipy.signal.windows import cosine

    squares = window(64).square()
    torch.testing.assert_close(
        squares[:32] + squares[32:], torch.ones(32, dtype=torch.float64), rtol=0, atol=WINDOW_ROUNDING
    )
    torch.testing.assert_close(sine_window(64), torch.from_numpy(cosine(64)).float(), rtol=0, atol=WINDOW_ROUNDING)


@lengths
def test_equals_the_textbook_sum(length, noise):
    """Coefficients are the windowed cosine sum of Princen and Bradley with an orthonormal factor."""
    half = length // 2
    audio = noise(1, 3 * half, dtype=torch.float64)
    padded = torch.nn.functional.pad(audio, (half, half))[0]
    sample = torch.arange(length, dtype=torch.float64)
    angles = torch.pi / half * (sample + 0.5 + half / 2) * (torch.arange(half)[:, None] + 0.5)
    frames = [padded[start : start + length] * window(length) for start in range(0, 3 * half + 1, half)]
    expected = torch.stack([(2 / half) ** 0.5 * torch.cos(angles) @ frame for frame in frames])[None]
    torch.testing.assert_close(mdct(audio, window(length)), expected, rtol=0, atol=EXACT)


@lengths
def test_centred_inverse_is_exact_everywhere(length, noise):
    """With the ends padded by half a frame, every sample lies in two frames and comes back."""
    audio = noise(2, 7 * (length // 2), dtype=torch.float64)
    found = imdct(mdct(audio, window(length)), window(length))
    assert found.shape == audio.shape
    torch.testing.assert_close(found, audio, rtol=0, atol=ROUND_TRIP)


@lengths
def test_same_inverse_is_exact_inside(length, noise):
    """With ``same`` framing the outer quarter frames lie in one frame only and keep their aliasing."""
    half = length // 2
    audio = noise(2, 7 * half, dtype=torch.float64)
    found = imdct(mdct(audio, window(length), framing="same"), window(length), framing="same")
    assert found.shape == audio.shape
    left, right = half - half // 2, half // 2
    torch.testing.assert_close(found[:, left:-right], audio[:, left:-right], rtol=0, atol=ROUND_TRIP)
    assert (found - audio)[:, :left].abs().max() > 0.01


def test_analysis_is_orthonormal():
    """Centred analysis keeps energy and angles: its matrix times its transpose is the identity."""
    n_samples = 5 * 16
    matrix = mdct(torch.eye(n_samples, dtype=torch.float64), window(32)).flatten(1)
    torch.testing.assert_close(
        matrix @ matrix.T, torch.eye(n_samples, dtype=torch.float64), rtol=0, atol=WINDOW_ROUNDING
    )


@pytest.mark.parametrize(
    ("length", "framing"), [(8, "center"), (64, "center"), (640, "center"), (8, "same"), (64, "same")]
)
def test_equals_the_reference(length, framing, noise, monkeypatch):
    """Both directions agree with the published package's modules, also for coefficients of no signal."""
    import scipy.signal
    from vocos.spectral_ops import IMDCT, MDCT

    # scipy moved this window to scipy.signal.windows after the package was published.
    monkeypatch.setattr(scipy.signal, "cosine", scipy.signal.windows.cosine, raising=False)
    half, tolerance = length // 2, SINGLE + REFERENCE_ANGLES * length
    audio = noise(2, 9 * half)
    expected = MDCT(length, framing)(audio)
    torch.testing.assert_close(mdct(audio, sine_window(length), framing=framing), expected, rtol=0, atol=tolerance)
    coefficients = noise(2, 11, half)
    expected = IMDCT(length, framing)(coefficients)
    found = imdct(coefficients, sine_window(length), framing=framing)
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("length", [640, 2048])
def test_long_frames_lose_no_digits(length, noise):
    """Float32 in long frames stays as exact as the window, both ways: angles are computed in float64."""
    half = length // 2
    audio, coefficients = noise(1, 3 * half), noise(1, 4, half)
    exact = mdct(audio.double(), window(length))
    torch.testing.assert_close(mdct(audio, sine_window(length)).double(), exact, rtol=0, atol=SINGLE)
    exact = imdct(coefficients.double(), window(length))
    torch.testing.assert_close(imdct(coefficients, sine_window(length)).double(), exact, rtol=0, atol=SINGLE)


@given(quarter=st.integers(1, 20), n_frames=st.integers(0, 6), batch=st.integers(0, 3), framing=st.booleans())
@settings(max_examples=40, deadline=None)
def test_length_contract(quarter, n_frames, batch, framing):
    """Any number of rows and frames gives the promised number of finite samples."""
    name, half = ("center" if framing else "same"), 2 * quarter
    found = imdct(torch.ones(batch, n_frames, half), sine_window(2 * half), framing=name)
    assert found.shape == (batch, half * (max(n_frames - 1, 0) if framing else n_frames))
    assert torch.isfinite(found).all()
