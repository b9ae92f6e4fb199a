"""Guesses at the convention of a mel from its values."""

import dataclasses

import pytest
import torch

from vocos_plugins.mel import MelSpectrogram
from vocos_plugins.mel.guess import find_mismatch, guess
from vocos_plugins.plugins import mel_conventions


def verdict(mel, candidate):
    """Returns the guess for one candidate."""
    return guess(mel, [candidate])[0]


def test_the_true_convention_is_never_excluded(base, pointwise, speech):
    """It stays possible for speech, loud and quiet, with digital silence around it."""
    for convention in (base, pointwise, dataclasses.replace(base, magnitude_eps=1e-6)):
        for level in (0.05, 1.0, 3.0):
            audio = torch.nn.functional.pad(speech(22050) * level, (4096, 4096)).clamp(-1, 1)
            found = verdict(MelSpectrogram(convention)(audio), convention)
            assert found.possible, found.reasons


def test_another_way_to_store_it_is_excluded(base, pointwise, speech):
    """The mel of one is not taken for the other's, in both directions, and the reason is given."""
    for own, other in ((base, pointwise), (pointwise, base)):
        if {own.guard, other.guard} == {"clamp", "add"} and own.guard_value == other.guard_value:
            continue  # the two guards of one value differ by nothing that speech would show
        if own.mel_norm != other.mel_norm and own.guard == other.guard:
            continue  # one factor per band could be another recording level
        audio = torch.nn.functional.pad(speech(22050), (4096, 4096))
        found = verdict(MelSpectrogram(own)(audio), other)
        assert not found.possible
        assert found.reasons


def test_a_matching_floor_comes_first(base, speech):
    """The convention whose floor the file shows comes before one with another floor."""
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
        (torch.linspace(0.0, 3.0, 4000).reshape(1, 80, 50), "is never quiet: 90 % of it lies above magnitude"),
        (torch.linspace(-6, -5, 4000).reshape(1, 80, 50), "has a dynamic range of only 8 dB"),
        (torch.linspace(-9, 0, 4000).reshape(1, 80, 50).clamp_min(-8), "its floor is -8, not -11.51"),
    ],
    ids=["bands", "too low", "too high", "never quiet", "even", "floor"],
)
def test_each_reason_against(base, mel, reason):
    """Each kind of evidence is named as the reason."""
    found = verdict(mel, base)
    assert not found.possible
    assert any(reason in text for text in found.reasons)


@pytest.mark.parametrize(
    ("mel", "expected"),
    [
        (torch.zeros(1, 80, 0), r"the mel is empty: its shape is \(1, 80, 0\)"),
        (
            torch.tensor([-5.0] * 62 + [torch.nan] + [-5.0] * 177).reshape(1, 80, 3),
            "1 NaN or infinite values, .* band 20, frame 2",
        ),
    ],
    ids=["empty", "NaN"],
)
def test_an_empty_or_broken_mel_is_refused(base, mel, expected):
    """No guess is made from nothing, nor from NaN."""
    with pytest.raises(ValueError, match=expected):
        guess(mel, [base])


KNOWN = mel_conventions()


def sounds(speech, sample_rate):
    """Returns recorded speech at several levels, and silence, ``(1, N)`` each."""
    voice = speech(sample_rate)
    return {
        "speech": voice,
        "very quiet": 0.003 * voice,
        "clipped": (10 * voice).clamp(-1, 1),
        "with silence": torch.nn.functional.pad(voice, (sample_rate, sample_rate)),
        "silence": torch.zeros(1, sample_rate),
        "a few frames": voice[:, sample_rate : sample_rate + sample_rate // 10],
    }


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_mel_in_its_own_convention_is_no_mismatch(name, speech):
    """No known convention raises a false alarm on speech at any level, or on silence."""
    convention = KNOWN[name]
    for what, audio in sounds(speech, convention.sample_rate).items():
        mismatch = find_mismatch(MelSpectrogram(convention)(audio), convention, KNOWN.values())
        assert mismatch is None, f"{what}: {mismatch.reasons}"


def test_a_model_s_wild_values_are_no_evidence(base, speech):
    """A few cells out of range, and noise on all cells, raise no alarm."""
    mel = MelSpectrogram(base)(speech(base.sample_rate))
    mel = mel + 0.3 * torch.randn(mel.shape, generator=torch.Generator().manual_seed(0))
    mel[0, :, 3] = -20.0
    assert find_mismatch(mel, base, KNOWN.values()) is None


@pytest.mark.parametrize(
    "name",
    ["coqui-default", "matcha-tts-ljspeech", "espnet-ljspeech", "nemo-fastpitch-dataset-22khz"],
)
def test_another_kind_of_mel_is_a_mismatch(name, speech):
    """Taken for the bundled checkpoint's mel, it is reported, and its true convention is among those suggested."""
    own, true = KNOWN["vocos-22khz"], KNOWN[name]
    mismatch = find_mismatch(MelSpectrogram(true)(speech(true.sample_rate)), own, KNOWN.values())
    assert mismatch.reasons
    assert true in mismatch.instead


def test_a_mel_that_fits_nothing_is_a_mismatch_only_if_it_is_out_of_range(base):
    """Loud noise may be what was recorded; decibels of an unknown kind are not natural logarithms."""
    noise = torch.randn(1, 80, 50, generator=torch.Generator().manual_seed(0))
    assert find_mismatch(noise * 0.1, base, [base]) is None
    mismatch = find_mismatch(noise * 20 - 60, base, [base])
    assert mismatch.instead == ()
    assert "goes down to" in mismatch.reasons[0]


@pytest.mark.parametrize("mel", [torch.zeros(1, 80, 0), torch.full((1, 80, 3), torch.nan)], ids=["empty", "NaN"])
def test_an_empty_or_broken_mel_is_no_mismatch(base, mel):
    """Other code refuses it."""
    assert find_mismatch(mel, base, [base]) is None
