"""Mel filterbanks against torchaudio and librosa."""

import librosa
import numpy as np
import pytest
import torch
import torchaudio.functional

from vocos_plugins.mel.filterbank import hz_to_mel, mel_filterbank, mel_to_hz

# Float32 corners of a filterbank against float64 ones, relative to the largest weight.
SINGLE = 1e-5
# Mel formulas in float64.
EXACT = 1e-9
# A triangle of 20 bins or more, summed at its bins instead of integrated.
SAMPLED_AREA = 0.02
# Float32 slopes, whose rounding grows with frequency over width.
UNITY = 1e-4

# sample_rate, n_fft, n_mels, f_min, f_max
GRIDS = {
    "vocos-24k": (24000, 1024, 100, 0.0, None),
    "hifigan-22k": (22050, 1024, 80, 0.0, 8000.0),
    "hifigan-44k": (44100, 2048, 80, 0.0, None),
    "tacotron-16k": (16000, 800, 80, 55.0, 7600.0),
    "telephone": (8000, 256, 20, 125.0, 3800.0),
    "odd-n-fft": (16000, 401, 40, 0.0, 8000.0),
    "more-bands-than-bins": (16000, 128, 80, 0.0, None),
}
grids = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
scales = pytest.mark.parametrize("mel_scale", ["htk", "slaney"])
norms = pytest.mark.parametrize("mel_norm", [None, "slaney"], ids=["no-norm", "area-norm"])


def build(grid, mel_scale, mel_norm) -> torch.Tensor:
    sample_rate, n_fft, n_mels, f_min, f_max = grid
    return mel_filterbank(
        sample_rate=sample_rate,
        n_fft=n_fft,
        n_mels=n_mels,
        f_min=f_min,
        f_max=f_max,
        mel_scale=mel_scale,
        mel_norm=mel_norm,
    )


@pytest.mark.parametrize(
    "grid",
    [grid for grid in GRIDS.values() if grid[1] % 2 == 0],  # torchaudio places the last bin of an odd n_fft too high
    ids=[name for name, grid in GRIDS.items() if grid[1] % 2 == 0],
)
@scales
@norms
@pytest.mark.filterwarnings("ignore:At least one mel filterbank has all zero values")
def test_bit_equal_to_torchaudio(grid, mel_scale, mel_norm):
    """The filterbank has the same bits as torchaudio's, which published checkpoints hold."""
    sample_rate, n_fft, n_mels, f_min, f_max = grid
    top = sample_rate / 2 if f_max is None else f_max
    expected = torchaudio.functional.melscale_fbanks(
        n_fft // 2 + 1, f_min, top, n_mels, sample_rate, mel_norm, mel_scale
    )
    assert torch.equal(build(grid, mel_scale, mel_norm), expected)


@grids
@scales
@norms
@pytest.mark.filterwarnings("ignore:Empty filters detected")
def test_equal_to_librosa(grid, mel_scale, mel_norm):
    """The weights equal librosa's up to float32 rounding."""
    sample_rate, n_fft, n_mels, f_min, f_max = grid
    expected = librosa.filters.mel(
        sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max, htk=mel_scale == "htk", norm=mel_norm
    ).T
    found = build(grid, mel_scale, mel_norm).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=SINGLE * expected.max())


@scales
def test_formulas_equal_librosa(mel_scale):
    """Hz to mel and back are librosa's formulas, on both sides of Slaney's 1 kHz."""
    frequencies = np.array([0.0, 30.0, 440.0, 999.0, 1000.0, 1001.0, 4000.0, 22050.0])
    mels = librosa.hz_to_mel(frequencies, htk=mel_scale == "htk")
    np.testing.assert_allclose([hz_to_mel(f, mel_scale) for f in frequencies], mels, rtol=EXACT)
    np.testing.assert_allclose(
        mel_to_hz(torch.from_numpy(mels), mel_scale).numpy(), frequencies, rtol=EXACT, atol=EXACT
    )


@scales
def test_area_norm_gives_equal_areas(mel_scale):
    """With ``slaney`` every wide triangle has unit area in Hz."""
    bank = build((16000, 4096, 20, 0.0, 8000.0), mel_scale, "slaney")
    areas = bank.sum(dim=0) * (16000 / 4096)
    torch.testing.assert_close(areas, torch.ones(20), rtol=0, atol=SAMPLED_AREA)


@scales
def test_neighbours_sum_to_one(mel_scale):
    """Without a norm, overlapping triangles are a partition of unity between the outer centres."""
    bank = build((16000, 4096, 20, 0.0, 8000.0), mel_scale, None)
    sums = bank.sum(dim=1)[bank[:, 0].argmax() : bank[:, -1].argmax()]
    torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=UNITY)
