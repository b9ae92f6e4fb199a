"""The STFT and its inverse, against each other, torch and a plain loop."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vocos_plugins.network.heads import WindowBuffer
from vocos_plugins.spectral import frame_padding, istft, output_length, overlap_add, stft

# Float64 transforms of signals near 1; a window shorter than half a hop's reach divides by small envelopes.
EXACT = 1e-9
# Float32 signals near 1: a few roundings in a 64-point FFT.
SINGLE = 2e-6

# n_fft, win_length, hop_length
GRIDS = {
    "quarter-hop": (64, 64, 16),
    "odd-hop": (64, 64, 15),
    "short-window": (64, 40, 10),
    "odd-short-window": (64, 41, 9),
    "odd-n-fft": (63, 63, 16),
    "all-prime": (61, 37, 13),
}
grids = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
framings = pytest.mark.parametrize("framing", ["center", "same"])


def hann(length: int) -> torch.Tensor:
    return torch.hann_window(length, dtype=torch.float64)


@grids
@framings
def test_istft_inverts_stft_everywhere(grid, framing, noise):
    """Analysis and synthesis reproduce the signal up to the last whole frame, edges included."""
    n_fft, win_length, hop_length = grid
    audio = noise(2, 20 * hop_length + 1, dtype=torch.float64)
    sizes = {"n_fft": n_fft, "hop_length": hop_length, "framing": framing}
    found = istft(stft(audio, hann(win_length), **sizes), hann(win_length), **sizes)
    assert found.shape == (2, 20 * hop_length)
    torch.testing.assert_close(found, audio[:, : found.shape[1]], rtol=0, atol=EXACT)


@grids
def test_stft_centre_equals_torch(grid, noise):
    """Centred frames are those of torch.stft."""
    n_fft, win_length, hop_length = grid
    audio, window = noise(2, 400), torch.hann_window(win_length)
    expected = torch.stft(audio, n_fft, hop_length, win_length, window, center=True, return_complex=True)
    found = stft(audio, window, n_fft=n_fft, hop_length=hop_length)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@grids
def test_istft_centre_equals_torch(grid, noise):
    """The centred inverse equals torch.istft's least-squares one, also for spectra that no signal has."""
    n_fft, win_length, hop_length = grid
    spectrum = torch.view_as_complex(noise(2, n_fft // 2 + 1, 30, 2))
    window = torch.hann_window(win_length)
    found = istft(spectrum, window, n_fft=n_fft, hop_length=hop_length)
    # torch keeps one more sample if n_fft is odd.
    expected = torch.istft(spectrum, n_fft, hop_length, win_length, window)[:, : found.shape[1]]
    assert found.shape == (2, 29 * hop_length)
    torch.testing.assert_close(found, expected, rtol=0, atol=SINGLE)


@grids
@framings
def test_istft_equals_a_plain_loop(grid, framing, noise):
    """Both framings are the windowed overlap-add over the summed squared windows, written out."""
    n_fft, win_length, hop_length = grid
    spectrum = torch.view_as_complex(noise(1, n_fft // 2 + 1, 9, 2, dtype=torch.float64))
    window = np.pad(
        hann(win_length).numpy(), ((n_fft - win_length) // 2, n_fft - win_length - (n_fft - win_length) // 2)
    )
    summed, envelope = np.zeros(8 * hop_length + n_fft), np.zeros(8 * hop_length + n_fft)
    for index, column in enumerate(spectrum[0].T.numpy()):
        at = slice(index * hop_length, index * hop_length + n_fft)
        summed[at] += np.fft.irfft(column, n_fft) * window
        envelope[at] += window**2
    left = n_fft // 2 if framing == "center" else (n_fft - hop_length) // 2
    kept = slice(left, left + (8 if framing == "center" else 9) * hop_length)
    found = istft(spectrum, hann(win_length), n_fft=n_fft, hop_length=hop_length, framing=framing)
    np.testing.assert_allclose(found[0].numpy(), summed[kept] / envelope[kept], rtol=0, atol=EXACT)


@pytest.mark.parametrize("hop_length", [1, 7, 16])
def test_overlap_add_equals_a_plain_loop(hop_length, noise):
    """Frames land ``hop_length`` apart and sum where they overlap."""
    frames = noise(2, 16, 5, dtype=torch.float64)
    expected = torch.zeros(2, 4 * hop_length + 16, dtype=torch.float64)
    for index in range(5):
        expected[:, index * hop_length : index * hop_length + 16] += frames[:, :, index]
    torch.testing.assert_close(overlap_add(frames, hop_length), expected, rtol=0, atol=EXACT)


@pytest.mark.parametrize(
    ("n_frames", "framing", "expected"),
    [(0, "center", 0), (1, "center", 0), (2, "center", 10), (9, "center", 80), (0, "same", 0), (1, "same", 10)],
)
def test_output_length_is_what_istft_gives(n_frames, framing, expected):
    """The length formula and the transform agree, also for no frames at all."""
    assert output_length(n_frames, 10, framing) == expected
    spectrum = torch.ones(3, 17, n_frames, dtype=torch.complex64)
    found = istft(spectrum, torch.hann_window(32), n_fft=32, hop_length=10, framing=framing)
    assert found.shape == (3, expected)


def test_istft_of_an_empty_batch():
    """An empty batch stays empty and has the right length."""
    spectrum = torch.ones(0, 17, 5, dtype=torch.complex64)
    assert istft(spectrum, torch.hann_window(32), n_fft=32, hop_length=8).shape == (0, 32)


@framings
def test_hop_of_a_whole_frame_keeps_its_length(framing, noise):
    """Frames that don't overlap still make ``output_length`` finite samples, though a Hann window starts at 0."""
    spectrum = torch.view_as_complex(noise(2, 17, 6, 2))
    found = istft(spectrum, torch.hann_window(32), n_fft=32, hop_length=32, framing=framing)
    assert found.shape == (2, output_length(6, 32, framing))
    assert torch.isfinite(found).all()


@pytest.mark.parametrize(("framing", "needed"), [("center", 33), ("same", 25)])
def test_audio_too_short_to_mirror(framing, needed, noise):
    """One sample less than the mirrored ends need is refused with both numbers; exactly enough works."""
    sizes = {"n_fft": 64, "hop_length": 16, "framing": framing}
    with pytest.raises(ValueError, match=rf"{needed - 1} samples.*n_fft=64.*at least {needed}.*zeros"):
        stft(noise(1, needed - 1), torch.hann_window(64), **sizes)
    assert stft(noise(1, needed), torch.hann_window(64), **sizes).shape[2] >= 1
    short = stft(noise(1, needed - 1), torch.hann_window(64), **sizes, pad_mode="constant")
    assert short.shape[2] >= 1


@pytest.mark.parametrize(
    ("hop_length", "pad_mode", "needed"),
    [(32, "reflect", 32), (64, "reflect", 64), (16, "constant", 16), (64, "constant", 64)],
)
def test_audio_too_short_for_a_frame(hop_length, pad_mode, needed, noise):
    """Audio that can be padded but still fills no frame is refused with the same message."""
    sizes = {"n_fft": 64, "hop_length": hop_length, "framing": "same", "pad_mode": pad_mode}
    for n_samples in (needed - 1, 0):
        with pytest.raises(ValueError, match=rf"{n_samples} samples.*hop_length={hop_length}.*at least {needed}"):
            stft(noise(1, n_samples), torch.hann_window(64), **sizes)
    assert stft(noise(1, needed), torch.hann_window(64), **sizes).shape == (1, 33, 1)


@framings
def test_stft_of_an_empty_batch(framing, noise):
    """An empty batch has the frames and type of a full one."""
    sizes = {"n_fft": 64, "hop_length": 16, "framing": framing}
    full, empty = (stft(noise(batch, 100), torch.hann_window(64), **sizes) for batch in (2, 0))
    assert empty.shape == (0, *full.shape[1:])
    assert empty.dtype == full.dtype


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["half", "bfloat16"])
def test_window_stays_exact_in_half_precision(dtype):
    """Lowering a module's precision doesn't round its window; raising it converts the exact values."""
    holder = torch.nn.Sequential(WindowBuffer(torch.hann_window(64)), torch.nn.Linear(2, 2)).to(dtype)
    assert holder[1].weight.dtype == dtype
    assert holder[0].window.dtype == torch.float32
    assert torch.equal(holder[0].window, torch.hann_window(64))
    assert torch.equal(holder.double()[0].window, torch.hann_window(64).double())


@given(
    hop_length=st.integers(1, 24),
    excess=st.integers(1, 40),
    centring=st.integers(0, 9),
    n_frames=st.integers(2, 12),
    framing=st.sampled_from(["center", "same"]),
)
@settings(max_examples=60, deadline=None)
def test_any_overlapping_grid_inverts(hop_length, excess, centring, n_frames, framing):
    """The inverse is exact for any hop, window and frame, where the least-squares problem is well posed."""
    win_length = 2 * hop_length + excess
    n_fft = win_length + centring
    sizes = {"n_fft": n_fft, "hop_length": hop_length, "framing": framing}
    n_samples = max(n_frames * hop_length, *frame_padding(n_fft, hop_length, framing)) + 1
    audio = torch.sin(torch.arange(n_samples, dtype=torch.float64) ** 1.5)[None]
    spectrum = stft(audio, hann(win_length), **sizes)
    found = istft(spectrum, hann(win_length), **sizes)
    assert found.shape == (1, output_length(spectrum.shape[2], hop_length, framing))
    torch.testing.assert_close(found, audio[:, : found.shape[1]], rtol=0, atol=EXACT)
