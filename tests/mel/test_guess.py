"""Which conventions a mel could be of, told from its numbers."""

import dataclasses

import pytest
import torch

from vocos_plugins.mel import MelSpectrogram
from vocos_plugins.mel.guess import guess


def verdict(mel, candidate):
    """What is said of one candidate."""
    return guess(mel, [candidate])[0]


def test_the_true_convention_is_never_excluded(base, pointwise, speech):
    """Of speech, loud and quiet, and with digital silence around it."""
    for convention in (base, pointwise, dataclasses.replace(base, magnitude_eps=1e-6)):
        for level in (0.05, 1.0, 3.0):
            audio = torch.nn.functional.pad(speech(22050) * level, (4096, 4096)).clamp(-1, 1)
            found = verdict(MelSpectrogram(convention)(audio), convention)
            assert found.possible, found.reasons


def test_another_way_to_store_it_is_excluded(base, pointwise, speech):
    """Both ways: no value of one is taken for the other's, and the reason is given."""
    for own, other in ((base, pointwise), (pointwise, base)):
        if {own.guard, other.guard} == {"clamp", "add"} and own.guard_value == other.guard_value:
            continue  # the two guards of one value differ by nothing that speech would show
        if own.mel_norm != other.mel_norm and own.guard == other.guard:
            continue  # a factor a band could be another recording level
        audio = torch.nn.functional.pad(speech(22050), (4096, 4096))
        found = verdict(MelSpectrogram(own)(audio), other)
        assert not found.possible
        assert found.reasons


def test_a_matching_floor_comes_first(base, speech):
    """Of two conventions that both could be, the one whose floor the file shows."""
    audio = torch.nn.functional.pad(speech(22050), (4096, 4096))
    lower = dataclasses.replace(base, name="lower", guard_value=1e-8)
    first, second = guess(MelSpectrogram(base)(audio), [lower, base])
    assert (first.convention.name, first.possible) == ("base", True)
    assert any("floor is -11.51" in reason for reason in first.reasons)
    assert (second.convention.name, second.possible) == ("lower", False)
    assert second.reasons == ("its floor is -11.51, not -18.42",)


@pytest.mark.parametrize(
    ("mel", "reason"),
    [
        (torch.zeros(1, 100, 50), "has 100 bands, not 80"),
        (torch.linspace(-30, 0, 4000).reshape(1, 80, 50), "goes down to -30"),
        (torch.linspace(-11, 40, 4000).reshape(1, 80, 50), "goes up to 40"),
        (torch.linspace(0.0, 3.0, 4000).reshape(1, 80, 50), "no quiet moment"),
        (torch.linspace(-6, -5, 4000).reshape(1, 80, 50), "hardly any dynamics"),
        (torch.linspace(-9, 0, 4000).reshape(1, 80, 50).clamp_min(-8), "its floor is -8, not -11.51"),
    ],
    ids=["bands", "too low", "too high", "never quiet", "even", "floor"],
)
def test_each_reason_against(base, mel, reason):
    """One mel for each."""
    found = verdict(mel, base)
    assert not found.possible
    assert any(reason in text for text in found.reasons)


@pytest.mark.parametrize("mel", [torch.zeros(80, 0), torch.full((80, 3), torch.nan)], ids=["empty", "NaN"])
def test_what_says_nothing_is_refused(base, mel):
    """No verdict on nothing."""
    with pytest.raises(ValueError, match="finite values"):
        guess(mel, [base])
