"""Comparison of two conventions."""

import dataclasses

import pytest

from vocos_plugins.mel import MelConvention
from vocos_plugins.mel.difference import EFFECTS, differences

CHANGED = {
    "sample_rate": 24000,
    "n_fft": 2048,
    "win_length": 512,
    "hop_length": 300,
    "n_mels": 100,
    "f_min": 80.0,
    "f_max": 7600.0,
    "mel_scale": "htk",
    "mel_norm": None,
    "power": 2,
    "window": "hamming",
    "periodic": False,
    "framing": "same",
    "pad_mode": "constant",
    "magnitude_eps": 1e-9,
    "log": "log10",
    "log_gain": 20.0,
    "guard": "add",
    "guard_value": 1e-8,
    "pre_emphasis": 0.97,
    "pad_value": -11.5,
}


def test_every_field_has_an_effect():
    """The table has every field of the convention, so that a new one cannot be forgotten."""
    fields = {field.name for field in dataclasses.fields(MelConvention)} - {"name"}
    assert set(EFFECTS) == fields
    assert set(CHANGED) == fields - {"normalization"}


@pytest.mark.parametrize("field", CHANGED)
def test_a_changed_field_is_found_with_both_values(base, field):
    """Only that field is named, with both values and the audible effect."""
    (difference,) = differences(base, dataclasses.replace(base, **{field: CHANGED[field]}))
    assert (difference.field, difference.source, difference.target) == (field, getattr(base, field), CHANGED[field])
    assert difference.effect in str(difference)
    assert str(CHANGED[field]) in str(difference)


def test_nothing_differs_from_itself(base):
    """A different name is no difference either."""
    assert differences(base, dataclasses.replace(base, name="another")) == ()


def test_nyquist_by_number_is_nyquist(base):
    """``f_max=None`` and half the sample rate mean the same."""
    assert differences(dataclasses.replace(base, f_max=None), dataclasses.replace(base, f_max=11025.0)) == ()


def test_a_linear_mel_s_guard_means_nothing(base):
    """A linear mel has no logarithm to guard."""
    one, other = (dataclasses.replace(base, log=None, guard=guard, guard_value=1e-3) for guard in ("add", "clamp"))
    assert differences(one, other) == ()
