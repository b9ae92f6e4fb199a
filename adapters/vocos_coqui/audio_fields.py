"""Reads the fields of Coqui TTS's ``audio`` block with the values that Coqui TTS takes from a file.

Its loader (Coqpit) turns each number into the type of its field: 256.0 samples are 256, and 20.5 dB of a field of whole
numbers are 20. Older versions, and Mozilla TTS, took numbers as they were, and had other names for some fields.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from vocos_plugins.mel import ConventionError, ConventionWarning
from vocos_plugins.mel.shown import shown

from .ignored_fields import warn_of_ignored

# TTS/config/shared_configs.py, BaseAudioConfig: the fields that determine a mel, with their defaults.
DEFAULTS: dict[str, Any] = {
    "fft_size": 1024,
    "win_length": 1024,
    "hop_length": 256,
    "frame_shift_ms": None,
    "frame_length_ms": None,
    "stft_pad_mode": "reflect",
    "sample_rate": 22050,
    "preemphasis": 0.0,
    "log_func": "np.log10",
    "num_mels": 80,
    "mel_fmin": 0.0,
    "mel_fmax": None,
    "spec_gain": 20,
    "do_amp_to_db_mel": True,
    "signal_norm": True,
    "ref_level_db": 20,
    "min_level_db": -100,
    "symmetric_norm": True,
    "max_norm": 4.0,
    "clip_norm": True,
    "stats_path": None,
}
# Declared as whole numbers there: the loader cuts off fractions.
WHOLE = {
    "fft_size",
    "win_length",
    "hop_length",
    "frame_shift_ms",
    "frame_length_ms",
    "sample_rate",
    "num_mels",
    "spec_gain",
    "ref_level_db",
    "min_level_db",
}
IN_MILLISECONDS = ("frame_length_ms", "frame_shift_ms")
# Number of bins of the linear spectrum, fft_size / 2 + 1: of Mozilla TTS and the first versions of Coqui TTS.
OLD_FFT = "num_freq"


def read_fields(audio: Any) -> dict[str, Any]:
    """Returns the fields that determine a mel.

    Args:
        audio: a dictionary, as in a file, whose numbers get the type of their field; or an object with all of the
            fields, such as a ``BaseAudioConfig`` or an ``AudioProcessor``, whose numbers are used as they are.

    Warns:
        ConventionWarning: the dictionary is read by fields of old versions, and Coqui TTS itself reads another mel; or
            it has fields under other programs' names, which Coqui TTS ignores.

    Raises:
        ConventionError: an object of another kind, or a number without a value.
    """
    # Not a Mapping, which Coqui TTS's own configurations are.
    if isinstance(audio, dict):
        fields = {name: audio.get(name, default) for name, default in DEFAULTS.items()}
        result = _with_old_fields({name: _loaded(name, value) for name, value in fields.items()}, audio)
        warn_of_ignored(audio, result)
        return result
    # The audio configuration of another kind of model: filling in defaults would invent a mel.
    if missing := [name for name in DEFAULTS if not hasattr(audio, name)]:
        raise ConventionError(f"{type(audio).__name__} is not a BaseAudioConfig of Coqui TTS: it lacks {missing[0]}")
    return {name: getattr(audio, name) for name in DEFAULTS}


def frame(fields: Mapping[str, Any]) -> tuple[int, int]:
    """Returns window and hop in samples; as in ``AudioProcessor``, from milliseconds if ``hop_length`` is None."""
    if fields["hop_length"] is not None:
        return whole(fields, "win_length"), whole(fields, "hop_length")
    length, shift = number(fields, "frame_length_ms"), number(fields, "frame_shift_ms")
    if not _divides(shift, length):
        raise ConventionError(f"frame_shift_ms must divide frame_length_ms, got {shift:g} and {length:g}")
    win_length = int(length / 1000.0 * whole(fields, "sample_rate"))
    return win_length, int(win_length / (length / shift))


def whole(fields: Mapping[str, Any], name: str) -> int:
    """Returns a whole number; raises ConventionError for any other value."""
    return int(_checked(fields, name, (int,), "a whole number"))


def number(fields: Mapping[str, Any], name: str) -> float:
    """Returns a number; raises ConventionError for any other value."""
    return float(_checked(fields, name, (int, float), "a number"))


def flag(fields: Mapping[str, Any], name: str) -> bool:
    """Returns true or false; null is false, as in ``AudioProcessor``. Raises ConventionError for any other value."""
    return bool(_checked(fields, name, (bool, type(None)), "true or false"))


def _loaded(name: str, value: Any) -> Any:
    """Returns a number as Coqpit loads it; any other value as it is."""
    if type(value) is not float or name not in WHOLE:
        return value
    try:
        return int(value)
    except (ValueError, OverflowError) as error:  # not a number, or infinite
        raise ConventionError(f"{name} must be a whole number, got {shown(value)}") from error


def _with_old_fields(fields: dict[str, Any], audio: Mapping[str, Any]) -> dict[str, Any]:
    """Replaces defaults by what a file of an old version has in their place, and fractions of milliseconds."""
    found: dict[str, Any] = {}
    if audio.get("fft_size") is None and (n_bins := audio.get(OLD_FFT)) is not None:
        n_bins = int(n_bins) if isinstance(n_bins, float) and n_bins.is_integer() else n_bins
        found["fft_size"] = 2 * (whole({OLD_FFT: n_bins}, OLD_FFT) - 1)
    if audio.get("hop_length") is None and any(audio.get(name) is not None for name in IN_MILLISECONDS):
        length, shift = (number(fields, name) for name in IN_MILLISECONDS)
        # Coqui TTS 0.28 fails on 50 and 12.5 ms, which it cuts to 12; the versions that wrote them didn't.
        exact = {} if _divides(shift, length) else {name: audio[name] for name in IN_MILLISECONDS}
        found |= {"hop_length": None, **exact}
    result = {**fields, **found}
    if found and _stft(result) != _stft(fields):
        names = [name for name in (OLD_FFT, *IN_MILLISECONDS) if audio.get(name) is not None]
        theirs = _stft(fields)
        what = f"takes fft_size, win_length and hop_length {theirs} instead" if theirs else "can't load it"
        warnings.warn(
            f"the audio block has {', '.join(names)} of an old version, read as fft_size, win_length and hop_length "
            f"{_stft(result)}, on which the model was trained; Coqui TTS 0.28 itself {what}: write these three numbers "
            "into the file",
            ConventionWarning,
            stacklevel=2,
        )
    return result


def _checked(fields: Mapping[str, Any], name: str, types: tuple[type, ...], expected: str) -> Any:
    # Not isinstance, for which true is a whole number.
    if type(fields[name]) not in types:
        raise ConventionError(f"{name} must be {expected}, got {shown(fields[name])}")
    return fields[name]


def _divides(shift: float, length: float) -> bool:
    return shift > 0 and (length / shift).is_integer()


def _stft(fields: Mapping[str, Any]) -> str:
    """Returns size, window and hop of the spectrum, or nothing if they are invalid."""
    try:
        return ", ".join(map(str, (fields["fft_size"], *frame(fields))))
    except ConventionError:
        return ""
