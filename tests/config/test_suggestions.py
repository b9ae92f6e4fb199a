"""Suggestions for misspelt names."""

from __future__ import annotations

from vocos_plugins.config.suggestions import suggestion


def test_the_nearest_name_is_suggested() -> None:
    """Case and a missing last part don't hide it."""
    assert suggestion("nmeo", ["bark", "nemo"]) == "did you mean 'nemo'?"
    assert suggestion("HiFiGAN", ["univnet", "hifigan-22khz"]) == "did you mean 'hifigan-22khz'?"


def test_an_organisation_does_not_count() -> None:
    """A checkpoint is suggested for its bare name, and for its name under another organisation."""
    known = ["charactr/vocos-mel-24khz"]
    assert suggestion("vocos-mel-24kHz", known) == "did you mean 'charactr/vocos-mel-24khz'?"
    assert suggestion("somebody/vocos-mel-24", known) == "did you mean 'charactr/vocos-mel-24khz'?"


def test_several_names_can_be_suggested() -> None:
    """The nearest comes first."""
    assert suggestion("mel", ["mels", "mel-24khz", "mell"], limit=2) in (
        "did you mean 'mels' or 'mell'?",
        "did you mean 'mell' or 'mels'?",
    )


def test_a_name_that_resembles_nothing_has_no_suggestion() -> None:
    """The result is empty, so that a message can list the known names instead."""
    assert suggestion("zzz", ["bark", "nemo"]) == ""
    assert suggestion("zzz", []) == ""
