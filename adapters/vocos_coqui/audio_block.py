"""Writes a mel convention as the ``audio`` block of a Coqui TTS configuration: the inverse of `mel.from_coqui`."""

from __future__ import annotations

import dataclasses
from typing import Any

from vocos_plugins.mel import ConventionError, LevelNormalization, MelConvention
from vocos_plugins.mel.difference import differences

from .mel import LOGS, from_coqui

# TTS/config/shared_configs.py declares these as whole numbers, and truncates fractions.
WHOLE = ("spec_gain", "ref_level_db", "min_level_db")


def write_audio_block(convention: MelConvention) -> dict[str, Any]:
    """Returns the fields from which Coqui TTS computes this mel.

    Args:
        convention: must have no statistics per band, which are a file and not a field; see `unnormalized`.

    Raises:
        ConventionError: Coqui TTS cannot compute such a mel; the message names the fields.
    """
    block: dict[str, Any] = {
        "sample_rate": convention.sample_rate,
        "fft_size": convention.n_fft,
        "win_length": convention.win_length,
        "hop_length": convention.hop_length,
        "stft_pad_mode": convention.pad_mode,
        "preemphasis": convention.pre_emphasis,
        "num_mels": convention.n_mels,
        "mel_fmin": convention.f_min,
        "mel_fmax": convention.f_max,
        "do_amp_to_db_mel": convention.log is not None,
        "signal_norm": False,
        "stats_path": None,
    }
    if convention.log is not None:
        block["log_func"] = next(name for name, log in LOGS.items() if log == convention.log)
        block["spec_gain"] = convention.log_gain
    if isinstance(level := convention.normalization, LevelNormalization):
        block |= {
            "signal_norm": True,
            "ref_level_db": level.ref_level,
            "min_level_db": level.min_level,
            "max_norm": level.max_norm,
            "symmetric_norm": level.symmetric,
            "clip_norm": level.clip,
        }
    _check(convention, block)
    return {name: int(value) if name in WHOLE else value for name, value in block.items()}


def unnormalized(convention: MelConvention) -> MelConvention:
    """Returns the convention of a mel after Coqui TTS's ``AudioProcessor.denormalize``."""
    return convention if convention.normalization is None else dataclasses.replace(convention, normalization=None)


def _check(convention: MelConvention, block: dict[str, Any]) -> None:
    # Coqui TTS's guard is fixed; a clamp at another value changes only nearly silent bands.
    lost = [
        str(each)
        for each in differences(convention, from_coqui(block))
        if each.severity != "negligible" and not (each.field == "guard_value" and convention.guard == "clamp")
    ]
    fractions = [f"{name} must be a whole number, got {block[name]:g}" for name in WHOLE if block.get(name, 0) % 1]
    if lost or fractions:
        name = convention.name or "such"
        raise ConventionError(f"Coqui TTS cannot compute {name} mels: {'; '.join([*lost, *fractions])}")
