"""Which conventions a mel could be of, told from its numbers."""

import dataclasses

import pytest
import torch

from vocos_plugins.mel import MelSpectrogram
from vocos_plugins.mel.guess import doubt, guess
from vocos_plugins.plugins import mel_conventions


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


@pytest.mark.parametrize(
    ("mel", "expected"),
    [
        (torch.zeros(1, 80, 0), r"without values: shape \(1, 80, 0\)"),
        (
            torch.tensor([-5.0] * 62 + [torch.nan] + [-5.0] * 177).reshape(1, 80, 3),
            "1 of .* band 20, frame 2",
        ),
    ],
    ids=["empty", "NaN"],
)
def test_what_says_nothing_is_refused(base, mel, expected):
    """No verdict on nothing."""
    with pytest.raises(ValueError, match=expected):
        guess(mel, [base])


KNOWN = mel_conventions()


def sounds(speech, sample_rate):
    """What people record, and what machines make: ``(1, N)`` each."""
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
def test_no_mel_is_doubted_where_it_belongs(name, speech):
    """Of every convention that is known: no false alarm on speech, however loud, and on silence."""
    convention = KNOWN[name]
    for what, audio in sounds(speech, convention.sample_rate).items():
        found = doubt(MelSpectrogram(convention)(audio), convention, KNOWN.values())
        assert found is None, f"{what}: {found.reasons}"


def test_a_model_s_wild_values_are_no_evidence(base, speech):
    """A few cells out of range, and noise on all of them."""
    mel = MelSpectrogram(base)(speech(base.sample_rate))
    mel = mel + 0.3 * torch.randn(mel.shape, generator=torch.Generator().manual_seed(0))
    mel[0, :, 3] = -20.0
    assert doubt(mel, base, KNOWN.values()) is None


@pytest.mark.parametrize(
    "name",
    ["coqui-default", "matcha-tts-ljspeech", "espnet-ljspeech", "nemo-fastpitch-dataset-22khz"],
)
def test_another_kind_of_mel_is_doubted(name, speech):
    """As the bundled checkpoint's: the true one is among those that it could be of."""
    own, true = KNOWN["vocos-22khz"], KNOWN[name]
    found = doubt(MelSpectrogram(true)(speech(true.sample_rate)), own, KNOWN.values())
    assert found.reasons
    assert true in found.instead


def test_what_fits_nothing_is_doubted_only_if_it_is_out_of_range(base):
    """Loud noise could be noise; decibels of an unknown kind are no natural logarithm."""
    noise = torch.randn(1, 80, 50, generator=torch.Generator().manual_seed(0))
    assert doubt(noise * 0.1, base, [base]) is None
    found = doubt(noise * 20 - 60, base, [base])
    assert found.instead == ()
    assert "goes down to" in found.reasons[0]


@pytest.mark.parametrize("mel", [torch.zeros(1, 80, 0), torch.full((1, 80, 3), torch.nan)], ids=["empty", "NaN"])
def test_what_says_nothing_is_not_doubted(base, mel):
    """It is refused elsewhere."""
    assert doubt(mel, base, [base]) is None
