"""NeMo's mel conventions, and how to read them from its configurations.

There are two families: the natural logarithm of a Slaney mel near 1e-5, and ``log(1 + x)`` of bands without area
normalization; and two framings: ``exact_pad`` in HiFi-GAN's configurations, centred frames in FastPitch's.

Since NeMo 2.5 the preprocessor reports one frame less than it computes, and overwrites the last one with ``pad_value``.
A convention describes the computed frames; NeMo returns all of them if ``length + hop`` is passed as length.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vocos_plugins.mel import ConventionError, MelConvention

from .archive import is_model, read_configuration
from .interpolation import Keys, find_preprocessor, resolved_options
from .outputs import check_has_mel, is_nemos, why_unknown
from .preprocessor import to_convention

# examples/tts/conf/fastpitch_align_v1.05.yaml and fastpitch_align_ipa.yaml: English FastPitch.
FASTPITCH = MelConvention(
    name="nemo-fastpitch-22khz",
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
    periodic=False,
    framing="center",
    pad_mode="constant",
    log="natural",
    guard="add",
    guard_value=1e-5,
    pad_value=0.0,
)
# hifigan/hifigan.yaml; up to NeMo 2.7 also univnet/univnet.yaml and tacotron2.yaml.
HIFIGAN = dataclasses.replace(FASTPITCH, name="nemo-hifigan-22khz", framing="same", guard="clamp", pad_value=-11.52)
# fastpitch/fastpitch_22050.yaml, for the newer data sets: `log_zero_guard_value: 1.0`, `mel_norm: null`.
FASTPITCH_DATASET = dataclasses.replace(
    FASTPITCH, name="nemo-fastpitch-dataset-22khz", f_max=None, mel_norm=None, guard_value=1.0
)
# hifigan_dataset/hifigan_22050.yaml.
HIFIGAN_DATASET = dataclasses.replace(FASTPITCH_DATASET, name="nemo-hifigan-dataset-22khz", framing="same")
AT_44KHZ: dict[str, Any] = {"sample_rate": 44100, "n_fft": 2048, "win_length": 2048, "hop_length": 512}

CONVENTIONS: tuple[MelConvention, ...] = (
    FASTPITCH,
    # de/fastpitch_align_22050_grapheme.yaml and _mix.yaml, zh/fastpitch_align_22050.yaml.
    dataclasses.replace(FASTPITCH, name="nemo-fastpitch-22khz-full-band", f_max=None),
    # fastpitch_align_44100.yaml, de/fastpitch_align_44100_phoneme.yaml, es/fastpitch_align_44100.yaml.
    dataclasses.replace(FASTPITCH, name="nemo-fastpitch-44khz", f_max=None, **AT_44KHZ),
    # fastpitch_align_44100_adapter.yaml and fastpitch_align_ipa_adapter.yaml.
    dataclasses.replace(FASTPITCH, name="nemo-fastpitch-44khz-adapter", **AT_44KHZ),
    FASTPITCH_DATASET,
    # fastpitch/fastpitch_44100.yaml.
    dataclasses.replace(FASTPITCH_DATASET, name="nemo-fastpitch-dataset-44khz", **AT_44KHZ),
    HIFIGAN,
    # hifigan/hifigan_44100.yaml.
    dataclasses.replace(HIFIGAN, name="nemo-hifigan-44khz", f_max=None, **AT_44KHZ),
    HIFIGAN_DATASET,
    # hifigan_dataset/hifigan_44100.yaml.
    dataclasses.replace(HIFIGAN_DATASET, name="nemo-hifigan-dataset-44khz", **AT_44KHZ),
)
DEFAULT = FASTPITCH
# Keys of a model's or a training's configuration, which a preprocessor's options don't have.
WHOLE = {"target", "model", "train_ds"}


def read_convention(path: Path) -> MelConvention | None:
    """Reads the convention of a NeMo model or configuration on disk; nothing in its files is run.

    Args:
        path: a ``.nemo`` file, the folder of an unpacked one, or the YAML of a model or a training run.

    Returns:
        None if the path is not NeMo's.

    Raises:
        ConventionError: it is, but a model without a mel, or one that does not say which; or an option is missing or
            has no equivalent.
    """
    config = read_configuration(path)
    if config is None or not (is_model(path) or is_nemos(config)):
        return None
    try:
        return _read(config)
    except ConventionError as error:
        raise ConventionError(f"{path}: {error}") from error


def from_nemo(config: Mapping[str, Any]) -> MelConvention:
    """Returns the convention of a preprocessor's options.

    Args:
        config: ``model.cfg.preprocessor``, or a configuration that has a ``preprocessor``, such as ``model.cfg``: plain
            or OmegaConf's, for ``FilterbankFeatures`` or for ``AudioToMelSpectrogramPreprocessor``. Missing
            options have that class's defaults.

    Raises:
        ConventionError: an option is unknown, unresolved or of the wrong type, or has no equivalent in a mel
            convention; the message names it.
    """
    if not isinstance(config, Mapping):
        raise ConventionError(
            f"expected NeMo's preprocessor configuration, a mapping, got a {type(config).__name__}; a model has it as "
            "model.cfg.preprocessor"
        )
    whole = find_preprocessor(config) is not None or bool(WHOLE & set(config))
    return _read(config, None if whole else ())


def _read(config: Mapping[str, Any], place: Keys | None = None) -> MelConvention:
    """Reads a whole configuration, or the options of a preprocessor alone if their place is ()."""
    if place is None:
        check_has_mel(config)
        place = find_preprocessor(config)
        if place is None:
            raise ConventionError(why_unknown(config))
    return _named(to_convention(resolved_options(config, place)))


def _named(convention: MelConvention) -> MelConvention:
    return next((known for known in CONVENTIONS if known == convention), convention)
