"""PESQ and STOI through our interface."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from vocos_plugins.demo import measures
from vocos_plugins.demo.clips import CLIPS
from vocos_plugins.demo.measures import Measures, measure, missing_packages

# P.862.2 maps a perfect copy to 4.644.
PESQ_OF_EQUAL = pytest.approx(4.644, abs=0.001)


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    """3.1 s at 16 kHz."""
    audio: NDArray[np.float32] = soundfile.read(CLIPS[0].path, dtype="float32")[0]
    return audio


needs_packages = pytest.mark.skipif(
    find_spec("pesq") is None or find_spec("pystoi") is None, reason="needs the extra `eval`"
)


@needs_packages
def test_equal_signals_get_the_best_marks(speech: NDArray[np.float32]) -> None:
    """Also where one is longer: only the samples that both have count."""
    found = measure(speech, speech[:-700], 16000)
    assert found.pesq == PESQ_OF_EQUAL
    assert found.stoi == pytest.approx(1.0, abs=1e-6)


@needs_packages
def test_noise_lowers_both(speech: NDArray[np.float32]) -> None:
    """More noise, lower marks."""
    noise = np.random.default_rng(0).normal(size=speech.shape).astype(np.float32)
    marks = [measure(speech, speech + gain * noise, 16000) for gain in (0.001, 0.01, 0.1)]
    assert marks[0].pesq > marks[1].pesq > marks[2].pesq
    assert marks[0].stoi > marks[1].stoi > marks[2].stoi


@needs_packages
def test_any_sample_rate_is_brought_to_16_khz(speech: NDArray[np.float32]) -> None:
    """The same pair at a higher rate gets the same marks, up to the resampler's edge at 8 kHz."""
    import soxr

    noisy = speech + 0.01 * np.random.default_rng(0).normal(size=speech.shape).astype(np.float32)
    at_16, at_24 = (
        measure(soxr.resample(speech, 16000, rate), soxr.resample(noisy, 16000, rate), rate) for rate in (16000, 24000)
    )
    assert at_24.pesq == pytest.approx(at_16.pesq, abs=0.05)
    assert at_24.stoi == pytest.approx(at_16.stoi, abs=0.005)


@needs_packages
@pytest.mark.parametrize("gain", [0.0, 0.1])
@pytest.mark.parametrize("n_samples", [0, 100, 3000])
def test_what_cannot_be_measured_is_none(n_samples: int, gain: float) -> None:
    """Silence and scraps are no reason to fail, nor to warn."""
    scrap = gain * np.random.default_rng(0).normal(size=n_samples).astype(np.float32)
    assert measure(scrap, scrap, 16000) == Measures(pesq=None, stoi=None)


@needs_packages
def test_a_vocoder_that_says_nothing_gets_no_marks(speech: NDArray[np.float32]) -> None:
    """Silence instead of speech: PESQ can't say, STOI is nearly 0."""
    found = measure(speech, np.zeros_like(speech), 16000)
    assert found.pesq is None or found.pesq < 1.2
    assert found.stoi is None or found.stoi < 0.1


def test_without_the_packages_nothing_is_measured(speech: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch) -> None:
    """The core installs without them."""
    monkeypatch.setattr(measures, "find_spec", lambda _: None)
    assert missing_packages() == ("pesq", "pystoi")
    assert measure(speech, speech, 16000) == Measures(pesq=None, stoi=None)
