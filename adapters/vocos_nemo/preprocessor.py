"""Converts the options of NeMo's two mel preprocessors to a mel convention.

Both use one implementation: ``AudioToMelSpectrogramPreprocessor`` (``collections/asr/modules/audio_preprocessing.py``,
in FastPitch's configurations) holds a ``FilterbankFeatures`` (``collections/asr/parts/preprocessing/features.py``, in
HiFi-GAN's). The window is symmetric, the ends are padded with zeros (mirrored up to NeMo 2.4), the filterbank is
librosa's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from vocos_plugins.config.suggestions import suggestion
from vocos_plugins.mel import ConventionError, MelConvention
from vocos_plugins.mel.shown import shown

# Defaults of the constructors in NeMo 3.0.
SHARED_DEFAULTS: dict[str, Any] = {
    "sample_rate": 16000,
    "window": "hann",
    "normalize": "per_feature",
    "n_fft": None,
    "preemph": 0.97,
    "lowfreq": 0,
    "highfreq": None,
    "log": True,
    "log_zero_guard_type": "add",
    "log_zero_guard_value": 2**-24,
    "dither": 1e-5,
    "pad_to": 16,
    "frame_splicing": 1,
    "exact_pad": False,
    "pad_value": 0,
    "mag_power": 2.0,
    "rng": None,
    "nb_augmentation_prob": 0.0,
    "nb_max_freq": 4000,
    "mel_norm": "slaney",
    "stft_exact_pad": False,
    "stft_conv": False,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "FilterbankFeatures": {
        **SHARED_DEFAULTS,
        "n_window_size": 320,
        "n_window_stride": 160,
        "nfilt": 64,
        "max_duration": 16.7,
        "use_grads": False,
    },
    "AudioToMelSpectrogramPreprocessor": {
        **SHARED_DEFAULTS,
        "window_size": 0.02,
        "window_stride": 0.01,
        "n_window_size": None,
        "n_window_stride": None,
        "features": 64,
        "use_torchaudio": False,
    },
}
# Where NeMo 3.0 has them; until 1.7, FilterbankFeatures was in asr.parts.features.
TARGETS = {
    "FilterbankFeatures": "nemo.collections.asr.parts.preprocessing.features.FilterbankFeatures",
    "AudioToMelSpectrogramPreprocessor": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
}
BANDS = {"FilterbankFeatures": "nfilt", "AudioToMelSpectrogramPreprocessor": "features"}
IN_SECONDS = (("window_size", "n_window_size"), ("window_stride", "n_window_stride"))
HYDRA_KEYS = ("_target_", "_convert_", "_recursive_", "_partial_")
# With `use_grads`, NeMo adds this under the root to keep its gradient finite.
GRADIENT_EPS = 1e-5

# Options that no convention can express: the name, whether the value is such a one, and its effect in NeMo.
REFUSALS: tuple[tuple[str, Callable[[Mapping[str, Any]], bool], str], ...] = (
    (
        "normalize",
        lambda o: o["normalize"] in ("per_feature", "all_features") or isinstance(o["normalize"], Mapping),
        "subtracts statistics of the utterance or the corpus, which no mel convention holds",
    ),
    (
        "window",
        lambda o: o["window"] not in ("hann", "hamming"),
        "is not a supported window, use hann or hamming",
    ),
    (
        "frame_splicing",
        lambda o: _number(o, "frame_splicing") != 1,
        "stacks neighbouring frames, which a vocoder can't take",
    ),
    (
        "nb_augmentation_prob",
        lambda o: _number(o, "nb_augmentation_prob") > 0,
        "blanks the upper bands of some of the training speech, which a vocoder would learn",
    ),
    (
        "preemph",
        lambda o: o["preemph"] is not None and bool(o["exact_pad"]),
        "together with exact_pad cuts off the end of the audio in NeMo; set preemph: null",
    ),
)


def to_convention(config: Mapping[str, Any]) -> MelConvention:
    """Returns the convention of a preprocessor's options, whose interpolations are resolved.

    Options that only act in training (``dither``) or pad the result (``pad_to``) are ignored.

    Raises:
        ConventionError: an option is unknown, of the wrong type, or has no equivalent; the message names it.
    """
    kind = kind_of(config)
    options = _with_defaults(config, kind)
    for name, applies, effect in REFUSALS:
        if applies(options):
            raise ConventionError(f"{name} is {shown(options[name])}: that {effect}")
    win_length = _integer(options, "n_window_size")
    hop_length = _integer(options, "n_window_stride")
    # As in NeMo: the next power of two.
    n_fft = _integer(options, "n_fft") if options["n_fft"] else 2 ** math.ceil(math.log2(win_length))
    # NeMo pads by (n_fft - hop) // 2 on both sides: odd values would lose a sample, and it refuses odd hops.
    if options["exact_pad"] and (hop_length % 2 or n_fft % 2):
        raise ConventionError(f"exact_pad needs an even n_window_stride and n_fft, got {hop_length} and {n_fft}")
    logarithm: dict[str, Any] = {"log": None}
    if options["log"]:
        logarithm = {"guard": options["log_zero_guard_type"], "guard_value": _guard_value(options)}
    try:
        return MelConvention(
            sample_rate=_integer(options, "sample_rate"),
            n_fft=n_fft,
            win_length=win_length,
            hop_length=hop_length,
            n_mels=_integer(options, BANDS[kind]),
            f_min=_number(options, "lowfreq"),
            f_max=_number(options, "highfreq") if options["highfreq"] else None,
            mel_scale="slaney",
            mel_norm=options["mel_norm"],
            power=_number(options, "mag_power"),
            window=options["window"],
            periodic=False,
            framing="same" if options["exact_pad"] else "center",
            pad_mode="constant",
            magnitude_eps=GRADIENT_EPS if options.get("use_grads") else 0.0,
            pre_emphasis=0.0 if options["preemph"] is None else _number(options, "preemph"),
            pad_value=_number(options, "pad_value"),
            **logarithm,
        )
    except ConventionError:
        raise
    except ValueError as error:
        raise ConventionError(f"unsupported mel: {error}") from error


def kind_of(config: Mapping[str, Any]) -> str:
    """Returns the name of the class that the options are for."""
    target = config.get("_target_")
    kinds = [kind for kind, name in BANDS.items() if name in config]
    if target is None and len(kinds) == 1:
        return kinds[0]
    kind = str(target).rpartition(".")[2]
    if kind not in DEFAULTS:
        raise ConventionError(
            f"_target_ is {shown(target)}; a mel is read from the options of {' and '.join(DEFAULTS)}, "
            f"which have {' and '.join(BANDS.values())} for the number of bands"
        )
    return kind


def _with_defaults(config: Mapping[str, Any], kind: str) -> dict[str, Any]:
    defaults = DEFAULTS[kind]
    arguments = {key: value for key, value in config.items() if key not in HYDRA_KEYS}
    for key in arguments:
        if key not in defaults:
            hint = suggestion(key, defaults)
            raise ConventionError(f"{key} is not an option of NeMo's {kind}{hint and f'; {hint}'}")
    options = {**defaults, **arguments}
    for seconds, samples in IN_SECONDS:
        # false and null both mean that the length is given in samples.
        if options.get(seconds):
            if options[samples]:
                raise ConventionError(
                    f"{seconds} is {shown(options[seconds])} next to {samples}: NeMo takes only one; set {seconds}: "
                    "false"
                )
            options[samples] = int(_number(options, seconds) * _integer(options, "sample_rate"))
    return options


def _guard_value(options: Mapping[str, Any]) -> float:
    value = options["log_zero_guard_value"]
    if value in ("tiny", "eps"):
        return float(getattr(torch.finfo(torch.float32), value))
    return _number(options, "log_zero_guard_value")


def _integer(options: Mapping[str, Any], name: str) -> int:
    number = _number(options, name)
    if not number.is_integer() or number < 1:
        raise ConventionError(f"{name}: expected a whole number of at least 1, got {shown(options[name])}")
    return int(number)


def _number(options: Mapping[str, Any], name: str) -> float:
    value = options[name]
    try:
        if not isinstance(value, bool):
            return float(value)  # accepts text: PyYAML reads 1e-05 as text
    except (TypeError, ValueError, OverflowError):
        pass
    raise ConventionError(f"{name}: expected a number, got {shown(value)}")
