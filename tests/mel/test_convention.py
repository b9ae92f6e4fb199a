"""The mel convention as a value: equality, hashing and the values it refuses."""

import dataclasses

import pytest

from vocos_plugins.mel import LevelNormalization, MeanStdNormalization, MelConvention

BASE = {"sample_rate": 16000, "n_fft": 64, "win_length": 64, "hop_length": 16, "n_mels": 4}
LEVEL = {"ref_level": 20.0, "min_level": -100.0, "max_norm": 4.0, "symmetric": True, "clip": True}
CHANGED = {
    "sample_rate": 8000,
    "n_fft": 128,
    "win_length": 32,
    "hop_length": 8,
    "n_mels": 5,
    "f_min": 20.0,
    "f_max": 4000.0,
    "mel_scale": "slaney",
    "mel_norm": "slaney",
    "power": 2.0,
    "window": "hamming",
    "periodic": False,
    "framing": "same",
    "pad_mode": "constant",
    "magnitude_eps": 1e-9,
    "log": "log10",
    "log_gain": 20.0,
    "guard": "add",
    "guard_value": 1e-7,
    "pre_emphasis": 0.97,
    "normalization": LevelNormalization(**LEVEL),
    "pad_value": 0.0,
}


def test_name_is_no_part_of_equality():
    """Two conventions that compute the same mel are equal whatever they are called."""
    one, other = MelConvention(name="one", **BASE), MelConvention(name="other", **BASE)
    assert one == other
    assert hash(one) == hash(other)
    assert len({one, other}) == 1


def test_every_other_field_is_covered():
    """The list above changes every field, so that a new one cannot be forgotten."""
    assert set(CHANGED) == {field.name for field in dataclasses.fields(MelConvention)} - {"name"}


@pytest.mark.parametrize("field", CHANGED)
def test_every_other_field_counts(field):
    """One differing field makes conventions unequal, and the value still hashes."""
    changed = MelConvention(**{**BASE, field: CHANGED[field]})
    assert changed != MelConvention(**BASE)
    assert isinstance(hash(changed), int)


def test_frozen():
    """A convention cannot be edited after its checks."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        MelConvention(**BASE).n_mels = 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_rate": 0}, "sample_rate must be at least 1, got 0"),
        ({"n_mels": -3}, "n_mels must be at least 1, got -3"),
        ({"hop_length": 0}, "hop_length must be at least 1, got 0"),
        ({"hop_length": 65}, "hop_length <= win_length <= n_fft, got hop_length=65, win_length=64, n_fft=64"),
        ({"win_length": 128}, "hop_length <= win_length <= n_fft, got hop_length=16, win_length=128, n_fft=64"),
        ({"f_min": -1.0}, r"0 <= f_min < f_max <= 8000 Hz \(half of sample_rate\), got f_min=-1.0"),
        ({"f_max": 8001.0}, "f_max <= 8000 Hz.*f_max=8001.0"),
        ({"f_min": 900.0, "f_max": 800.0}, "got f_min=900.0, f_max=800.0"),
        ({"mel_scale": "bark"}, "mel_scale must be one of htk, slaney, got 'bark'"),
        ({"mel_norm": "area"}, "mel_norm must be one of None, slaney, got 'area'"),
        ({"power": 3.0}, "power must be one of 1, 2, got 3.0"),
        ({"window": "kaiser"}, "window must be one of hann, hamming, got 'kaiser'"),
        ({"framing": "causal"}, "framing must be one of center, same, got 'causal'"),
        ({"pad_mode": "edge"}, "pad_mode must be one of reflect, constant, got 'edge'"),
        ({"log": "log2"}, "log must be one of None, natural, log10, got 'log2'"),
        ({"guard": "max"}, "guard must be one of clamp, add, got 'max'"),
        ({"guard_value": 0.0}, "guard_value must be positive.*got 0.0"),
        ({"guard_value": -1e-5, "log": None}, "guard_value must be positive.*got -1e-05"),
        ({"log_gain": 0.0}, "log_gain must be positive, got 0.0"),
        ({"magnitude_eps": -1.0}, "magnitude_eps must not be negative, got -1.0"),
        ({"normalization": MeanStdNormalization(mean=(0.0,) * 3, std=1.0)}, "3 values for n_mels=4"),
        ({"normalization": MeanStdNormalization(mean=0.0, std=(1.0,) * 5)}, "5 values for n_mels=4"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refused_values(changes, message):
    """Each error names the field, the value found and what was expected."""
    with pytest.raises(ValueError, match=message):
        MelConvention(**{**BASE, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_level": 0.0}, "min_level must be negative, got 0.0"),
        ({"max_norm": 0.0}, "max_norm must be positive, got 0.0"),
    ],
    ids=["min-level", "max-norm"],
)
def test_refused_levels(changes, message):
    """A range of levels must have a width."""
    with pytest.raises(ValueError, match=message):
        LevelNormalization(**{**LEVEL, **changes})


@pytest.mark.parametrize("std", [0.0, -1.0, (1.0, 0.0), float("nan")], ids=str)
def test_refused_deviations(std):
    """A standard deviation that isn't positive is refused."""
    with pytest.raises(ValueError, match="every std must be positive, got "):
        MeanStdNormalization(mean=0.0, std=std)


@pytest.mark.parametrize("field", ["f_min", "f_max", "guard_value", "log_gain", "magnitude_eps", "pre_emphasis"])
def test_nan_is_refused(field):
    """No field accepts NaN."""
    with pytest.raises(ValueError, match=field):
        MelConvention(**{**BASE, field: float("nan")})
