"""The approximation between conventions of other bands, frames and rates."""

import dataclasses
import importlib.util

import pytest
import torch

from helpers.paths import ROOT
from vocos_plugins.mel import MelSpectrogram
from vocos_plugins.mel.compression import expand
from vocos_plugins.mel.estimate import SECONDS, estimate_error, measure_error
from vocos_plugins.mel.projection import MelProjection, known_bands, spread_over_bins

# The estimate uses the first seconds of all clips; a measurement on other speech may differ by this factor.
FACTOR = 1.5
OTHERS = {
    "vocos-24khz": {"sample_rate": 24000, "n_mels": 100, "f_max": None, "mel_scale": "htk", "mel_norm": None},
    "16khz": {"sample_rate": 16000},
    "espnet": {"f_min": 80.0, "f_max": 7600.0, "log": "log10"},
    "cosyvoice-2": {"sample_rate": 24000, "n_fft": 1920, "win_length": 1920, "hop_length": 480, "framing": "same"},
    "hop-300": {"sample_rate": 24000, "n_fft": 2048, "win_length": 1200, "hop_length": 300},
    "power": {"power": 2},
    "pre-emphasis": {"pre_emphasis": 0.97},
    "hamming": {"window": "hamming"},
    "44khz": {"sample_rate": 44100, "n_fft": 2048, "win_length": 2048, "hop_length": 512, "f_max": None},
}


@pytest.fixture(params=OTHERS.values(), ids=OTHERS.keys())
def other(request, base):
    """A convention to which the base converts only lossily."""
    return dataclasses.replace(base, **request.param)


@pytest.fixture(scope="module")
def pseudo_inverse():
    """The usual method, from the benchmark that compares with it."""
    path = ROOT / "benchmarks" / "alignment.py"
    spec = importlib.util.spec_from_file_location("benchmark_alignment", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pseudo_inverse


def test_estimate_is_near_what_is_measured_on_other_speech(base, other, speech):
    """Measured on later parts of the clips, which the estimate doesn't use, in both directions."""
    for source, target in ((base, other), (other, base)):
        at_source, at_target = (
            [
                speech(side.sample_rate, name, seconds=9.0)[:, int(SECONDS * side.sample_rate) :]
                for name in ("austen-1", "austen-2", "arctic-1")
            ]
            for side in (source, target)
        )
        measured = measure_error(source, target, at_source, at_target).mean
        assert measured / FACTOR < estimate_error(source, target).mean < measured * FACTOR


def test_better_than_the_pseudo_inverse(base, other, speech, pseudo_inverse):
    """Its mean error in nepers is smaller, over the bands that the source covers, above the floor."""
    mel, own = MelSpectrogram(base)(speech(base.sample_rate)), MelSpectrogram(other)(speech(other.sample_rate))
    ours = expand(MelProjection(base, other)(mel), other)
    usual = expand(pseudo_inverse(base, other, mel, ours.shape[-1]), other)
    n_frames = min(ours.shape[-1], own.shape[-1])
    own = expand(own.double(), other)[..., :n_frames]
    counts = (own > 1e-3) & known_bands(base, other)[:, None]

    def error(mel):
        return float((mel[..., :n_frames].clamp_min(1e-5).log() - own.clamp_min(1e-5).log()).abs()[counts].mean())

    assert error(ours) < error(usual)


def test_bins_reproduce_the_bands_and_are_never_negative(base, speech):
    """The energy of each band is kept within 1 % on average after ten iterations."""
    linear = expand(MelSpectrogram(base)(speech(22050)).double(), base)
    weights = base.filterbank().double()
    bins = spread_over_bins(linear, weights)
    again = torch.matmul(weights.T, bins)
    loud = linear > 1e-3
    assert float(bins.min()) >= 0
    assert float(((again - linear).abs() / linear)[loud].mean()) < 0.01


def test_bands_above_the_source_s_top_are_unknown_and_left_at_the_floor(base, speech):
    """Nothing is invented there."""
    wide = dataclasses.replace(base, f_max=None)
    unknown = ~known_bands(base, wide)
    assert 0 < unknown.sum() < 20
    aligned = MelProjection(base, wide)(MelSpectrogram(base)(speech(22050)))
    inside = unknown.clone()
    inside[int(unknown.nonzero()[0])] = False  # the first of them still overlaps the source's last band
    assert float(aligned[0, inside].max()) == pytest.approx(torch.tensor(1e-5).log().item())


def test_covers_the_same_time(base, other):
    """The result has as many frames as the target's mel of the same audio, up to rounding."""
    project = MelProjection(base, other)
    for n_frames in (2, 10, 101):
        n_samples = project.n_samples(n_frames)
        assert n_samples / other.sample_rate == pytest.approx((n_frames - 1) * 256 / 22050, abs=1 / other.sample_rate)
        frames = project(torch.zeros(1, 80, n_frames)).shape[-1]
        assert 0 <= frames * other.hop_length - n_samples <= 2 * other.hop_length
