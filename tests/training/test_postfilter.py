"""The fit of a postfilter, against another formula for the same map."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from vocos_plugins.training.postfilter import Moments, fit_postfilter, fit_shared_postfilter

# Of values around 1: float64 in, float32 out.
CLOSE = 1e-4
M = 12


@pytest.fixture(scope="module")
def sides():
    """Frames of two normal distributions, ``(12, 4000)``: like predicted mels, and like recordings'."""
    random = np.random.default_rng(0)
    mix = random.normal(size=(M, M)) / 3 + np.eye(M)
    predicted = 0.4 * mix @ random.normal(size=(M, 4000)) - 5
    recorded = (mix + 0.5 * random.normal(size=(M, M))) @ random.normal(size=(M, 4000)) - 4
    return torch.from_numpy(predicted), torch.from_numpy(recorded)


def moments(*mels) -> Moments:
    """Of the frames of all mels."""
    found = Moments(len(mels[0]))
    for mel in mels:
        found.add(mel)
    return found


def test_moments_are_numpys(sides) -> None:
    """Of all frames together, however they are divided into mels."""
    found = moments(*sides[0].split(700, dim=1))
    assert found.n_frames == 4000
    np.testing.assert_allclose(found.mean, sides[0].numpy().mean(axis=1), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(sides[0].numpy(), bias=True), rtol=0, atol=1e-10)


def test_covariance_within_is_of_each_mels_own_mean(sides) -> None:
    """By NumPy, from mels that are centred first."""
    parts = [part.numpy() for part in sides[0].split(700, dim=1)]
    centred = np.concatenate([part - part.mean(axis=1, keepdims=True) for part in parts], axis=1)
    found = moments(*map(torch.from_numpy, parts)).covariance_within
    np.testing.assert_allclose(found, centred @ centred.T / 4000, rtol=0, atol=1e-10)


def test_other_voices_give_their_covariance_only(sides) -> None:
    """Exactly so without shrinkage: the predicted mels keep their mean, whatever the means of the others."""
    predicted, recorded = sides
    voices = moments(recorded[:, :1500] + 3, recorded[:, 1500:] - 1)
    weight, bias = fit_postfilter(moments(predicted), voices, same_voice=False, shrinkage=0)
    found = moments(weight.double() @ predicted + bias.double()[:, None])
    torch.testing.assert_close(found.mean, predicted.mean(dim=1), rtol=0, atol=CLOSE)
    torch.testing.assert_close(found.covariance, voices.covariance_within, rtol=0, atol=CLOSE)


def test_filtered_mels_have_the_recordings_mean_and_covariance(sides) -> None:
    """Exactly so without shrinkage."""
    predicted, recorded = sides
    weight, bias = fit_postfilter(moments(predicted), moments(recorded), shrinkage=0)
    found = moments(weight.double() @ predicted + bias.double()[:, None])
    torch.testing.assert_close(found.mean, recorded.mean(dim=1), rtol=0, atol=CLOSE)
    torch.testing.assert_close(found.covariance, moments(recorded).covariance, rtol=0, atol=CLOSE)


def test_it_is_the_optimal_transport(sides) -> None:
    """Of all maps that do so it moves frames the least: the geometric mean of B and the inverse of A, by SciPy."""
    a, b = (moments(side).covariance.numpy() for side in sides)
    # A ** -1 # B: the only symmetric positive solution W of W A W = B.
    inverse = np.linalg.inv(a)
    expected = inverse @ scipy.linalg.sqrtm(a @ b)
    weight, _ = fit_postfilter(moments(sides[0]), moments(sides[1]), shrinkage=0)
    np.testing.assert_allclose(weight, expected, rtol=0, atol=CLOSE)
    np.testing.assert_allclose(weight, weight.T, rtol=0, atol=CLOSE)
    assert np.linalg.eigvalsh(weight).min() > 0


def test_equal_sides_leave_mels_as_they_are(sides) -> None:
    """A postfilter of recordings changes nothing."""
    weight, bias = fit_postfilter(moments(sides[1]), moments(sides[1]))
    torch.testing.assert_close(weight, torch.eye(M), rtol=0, atol=CLOSE)
    torch.testing.assert_close(bias, torch.zeros(M), rtol=0, atol=CLOSE)


def test_directions_without_variance_do_not_become_loud() -> None:
    """A band that a model never moves is not multiplied by thousands."""
    random = torch.Generator().manual_seed(0)
    recorded = torch.randn(M, 4000, generator=random, dtype=torch.float64)
    predicted = recorded.clone()
    predicted[3] *= 1e-6
    weight, _ = fit_postfilter(moments(predicted), moments(recorded))
    assert 20 < float(weight[3, 3]) < 40  # the root of the shrinkage's inverse is 32


def test_refusals(sides) -> None:
    """Too little speech on either side, or silence only."""
    enough, few = moments(sides[1]), moments(sides[0][:, :119])
    for arguments, words in (
        ((few, enough), "the predicted mels have 119 frames, expected at least 120: add sentences"),
        ((enough, few), "the recordings have 119 frames"),
        ((moments(torch.zeros(M, 200)), enough), "all frames of a side are the same"),
    ):
        with pytest.raises(ValueError, match=words):
            fit_postfilter(*arguments)


def test_a_shared_postfilter_is_the_mean_map(sides) -> None:
    """Of two acoustic models, to a power, by SciPy's matrix functions."""
    predicted, recorded = sides
    other = 0.5 * predicted + 0.1 * recorded
    after = moments(recorded)
    weight = fit_shared_postfilter([moments(predicted), moments(other)], after, strength=0.9, shrinkage=0)
    maps = []
    for mel in (predicted, other):
        covariance = moments(mel).covariance.numpy()
        maps.append(np.linalg.inv(covariance) @ scipy.linalg.sqrtm(covariance @ after.covariance.numpy()))
    expected = scipy.linalg.fractional_matrix_power((maps[0] + maps[1]) / 2, 0.9)
    np.testing.assert_allclose(weight, expected, rtol=0, atol=CLOSE)
    with pytest.raises(ValueError, match="the predicted mels have 100 frames, expected at least 120"):
        fit_shared_postfilter([moments(predicted), moments(other[:, :100])], after)
