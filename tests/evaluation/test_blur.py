"""The blur of mels, against scipy's Gaussian filter."""

from __future__ import annotations

import pytest
from scipy.ndimage import gaussian_filter

from vocos_plugins.evaluation.blur import measure_against_speech, measure_blur
from vocos_plugins.mel import MelSpectrogram
from vocos_plugins.mel.speech import CLIPS, read_clip
from vocos_plugins.plugins import mel_conventions

TOLERANCE = 0.05  # windows leak: the fit is off by up to 5 % for each of the shipped clips
NOTHING = 0.3  # frames or bands; a sampled Gaussian of that width leaves 99 % of each step
CONVENTION = mel_conventions()["hifigan-22khz"]


@pytest.fixture(scope="module")
def mels():
    """The mels of the shipped clips, ``(M, T)``."""
    front_end = MelSpectrogram(CONVENTION)
    return [front_end(read_clip(clip, 22050)[None])[0].double().numpy() for clip in CLIPS]


@pytest.mark.parametrize(("bands", "frames"), [(0, 0), (0.6, 0), (0, 0.6), (0.6, 1.0), (1.5, 0.6)])
def test_a_known_blur_is_found(mels, bands: float, frames: float) -> None:
    """A Gaussian filter's sigmas come back, each axis by itself."""
    blurred = [gaussian_filter(mel, (bands, frames)) for mel in mels]
    blur = measure_blur(blurred, mels)
    for found, given in ((blur.bands, bands), (blur.frames, frames)):
        assert found == pytest.approx(given, rel=TOLERANCE) if given else found < NOTHING
    assert (blur.band_steps < 0.95) == (blur.frame_steps < 0.95) == (bands + frames > 0)


def test_level_of_the_mel_does_not_count(mels) -> None:
    """An offset changes nothing."""
    assert measure_blur([mels[0] - 3], [mels[0]]) == measure_blur([mels[0]], [mels[0]])


def test_only_blurred_mels_are_called_so(mels) -> None:
    """A recording's mel alone isn't reported; after a blur it is, with about that blur."""
    for mel in mels:
        clean = measure_against_speech([mel], CONVENTION)
        found = measure_against_speech([gaussian_filter(mel, (1.0, 1.0))], CONVENTION)
        assert clean is not None
        assert found is not None
        assert found.significant
        assert not clean.significant
        assert found.bands == pytest.approx(1.0, abs=0.3)
        assert found.frames == pytest.approx(1.0, abs=0.3)


def test_scraps_have_no_blur(mels) -> None:
    """Too few frames are refused by one function, and not reported by the other."""
    with pytest.raises(ValueError, match="at least 32 bands and 32 frames"):
        measure_blur([mels[0][:, :20]], mels)
    assert measure_against_speech([mels[0][:, :20]], CONVENTION) is None
    assert measure_against_speech(mels, mel_conventions()["vocos-24khz"]) is None  # to 12 kHz
