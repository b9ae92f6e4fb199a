"""SpeechBrain's mel conventions, and how to read them from its hyperparameters.

All of its mel vocoders and acoustic models share one function, ``mel_spectrogram`` (``mel_spectogram`` up to 1.1.0),
in ``speechbrain/lobes/models/HifiGAN.py``, ``Tacotron2.py`` and ``FastSpeech2.py``: torchaudio's mel with a periodic
Hann window, centred frames and reflected ends, then ``log(clamp(mel, min=1e-5))``. The rest has no default.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vocos_plugins.config.suggestions import suggestion
from vocos_plugins.mel import ConventionError, MelConvention
from vocos_plugins.mel.shown import shown

from .hyperparams import MAX_NUMBER, Undetermined, read_hyperparams
from .outputs import check_has_mel

LJSPEECH = MelConvention(
    # recipes/LJSpeech/TTS: vocoder/hifigan, vocoder/diffwave and tacotron2, hparams/train.yaml. Both recipes of
    # fastspeech2 have `win_length: null`, which is n_fft, and `min_max_energy_norm`, which scales the energy that the
    # function returns in addition to the mel: their mel is this one.
    name="speechbrain-ljspeech",
    sample_rate=22050,
    n_fft=1024,
    win_length=1024,
    hop_length=256,
    n_mels=80,
    f_min=0.0,
    f_max=8000.0,
    mel_scale="slaney",
    mel_norm="slaney",
    power=1.0,
    window="hann",
    periodic=True,
    framing="center",
    pad_mode="reflect",
    log="natural",
    guard="clamp",
    guard_value=1e-5,
)
CONVENTIONS: tuple[MelConvention, ...] = (
    LJSPEECH,
    # recipes/LibriTTS: vocoder/hifigan and TTS/mstacotron2, hparams/train.yaml.
    dataclasses.replace(LJSPEECH, name="speechbrain-libritts-16khz", sample_rate=16000),
)
DEFAULT = LJSPEECH

# The recipes' names for the arguments of mel_spectrogram.
ARGUMENTS = {
    "sample_rate": "sample_rate",
    "hop_length": "hop_length",
    "win_length": "win_length",
    "n_fft": "n_fft",
    "n_mel_channels": "n_mels",
    "mel_fmin": "f_min",
    "mel_fmax": "f_max",
    "power": "power",
    "mel_normalized": "normalized",
    "norm": "norm",
    "mel_scale": "mel_scale",
    "dynamic_range_compression": "compression",
}
# The recipes keep the function under one of these names. Its arguments are what is computed, so they win.
MEL_FUNCTIONS = ("mel_spectogram", "mel_spectrogram")


def read_convention(path: Path) -> MelConvention | None:
    """The convention of a SpeechBrain model or recipe on disk; nothing in its files is run.

    Args:
        path: ``hyperparams.yaml``, a recipe's ``train.yaml``, or a directory that holds the former.

    Returns:
        None if the path is not SpeechBrain's.

    Raises:
        ConventionError: it is, but a model without a mel; or a field is missing, not plain enough to be read, or has
            no equivalent.
    """
    hparams = read_hyperparams(path)
    if hparams is None:
        return None
    try:
        return from_speechbrain(hparams)
    except ConventionError as error:
        raise ConventionError(f"{path}: {error}") from error


def from_speechbrain(hparams: Mapping[str, Any] | SimpleNamespace, **overrides: Any) -> MelConvention:
    """The convention of loaded hyperparameters.

    Args:
        hparams: what ``load_hyperpyyaml`` returns, or ``model.hparams`` of an inference object.
        overrides: fields by the recipes' names, such as ``mel_fmax=8000``; they win over those of `hparams`.
            Hyperparameters for inference only often lack some.

    Raises:
        ConventionError: a field is missing, of the wrong type, unknown, or has no equivalent in a mel convention; or
            the model has no mel for a vocoder, and the message says what it takes or outputs instead.
    """
    values = {**_values(hparams), **overrides}
    _check_names(values, overrides)
    if values["mel_normalized"]:
        raise ConventionError(
            f"mel_normalized is {shown(values['mel_normalized'])}: torchaudio then divides the spectrum by the "
            "window's norm, which a mel convention doesn't express; train with mel_normalized: False"
        )
    n_fft = _integer(values, "n_fft")
    try:
        convention = MelConvention(
            sample_rate=_integer(values, "sample_rate"),
            n_fft=n_fft,
            win_length=n_fft if values["win_length"] is None else _integer(values, "win_length"),
            hop_length=_integer(values, "hop_length"),
            n_mels=_integer(values, "n_mel_channels"),
            f_min=_number(values, "mel_fmin"),
            f_max=None if values["mel_fmax"] is None else _number(values, "mel_fmax"),
            mel_scale=values["mel_scale"],
            mel_norm=values["norm"],
            power=_number(values, "power"),
            log="natural" if _boolean(values, "dynamic_range_compression") else None,
        )
    except ConventionError:
        raise
    except ValueError as error:
        raise ConventionError(f"unsupported mel: {error}") from error
    return next((known for known in CONVENTIONS if known == convention), convention)


def _values(hparams: object) -> dict[str, Any]:
    values = vars(hparams) if isinstance(hparams, SimpleNamespace) else hparams
    if not isinstance(values, Mapping):
        raise ConventionError(
            f"expected SpeechBrain's hyperparameters, a mapping or a namespace, got a {type(hparams).__name__}; "
            "an inference object has them as .hparams"
        )
    fields = _fields(values)
    check_has_mel(values, fields.get("n_mel_channels"))
    return fields


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    fields = {key: values[key] for key in ARGUMENTS if key in values}
    for name in MEL_FUNCTIONS:
        keywords = getattr(values.get(name), "keywords", {})
        fields |= {key: keywords[argument] for key, argument in ARGUMENTS.items() if argument in keywords}
    return fields


def _check_names(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> None:
    for name in overrides:
        if name not in ARGUMENTS:
            hint = suggestion(name, ARGUMENTS) or f"available: {', '.join(ARGUMENTS)}"
            raise ConventionError(f"{name} is not a field of a mel; {hint}")
    if missing := [key for key in ARGUMENTS if key not in values]:
        raise ConventionError(
            f"missing {', '.join(missing)}; pass what is missing, as from_speechbrain(hparams, {missing[0]}=...), or "
            f"use the convention {DEFAULT.name} if the model was trained with that recipe"
        )
    for key in ARGUMENTS:
        if isinstance(values[key], Undetermined):
            raise ConventionError(
                f"{key} is {shown(values[key].text)}, which is known only once the file is run; load it yourself and "
                f"pass the result to from_speechbrain, or pass {key} alone: from_speechbrain(hparams, {key}=...)"
            )


def _integer(values: Mapping[str, Any], key: str) -> int:
    number = _number(values, key)
    if not number.is_integer():
        raise ConventionError(f"{key}: expected a whole number, got {shown(values[key])}")
    return int(number)


def _number(values: Mapping[str, Any], key: str) -> float:
    value = values[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > MAX_NUMBER:
        raise ConventionError(f"{key}: expected a number, got {shown(value)}")
    return float(value)


def _boolean(values: Mapping[str, Any], key: str) -> bool:
    value = values[key]
    if not isinstance(value, bool):
        raise ConventionError(f"{key}: expected True or False, got {shown(value)}")
    return value
