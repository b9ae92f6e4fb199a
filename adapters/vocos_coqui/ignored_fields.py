"""Points out fields of an ``audio`` block that Coqui TTS ignores, since it has another name for what they say."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from vocos_plugins.mel import ConventionWarning
from vocos_plugins.mel.shown import shown

# Names in librosa, torchaudio, HiFi-GAN, SpeechBrain, NeMo and transformers, by the field of BaseAudioConfig.
OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "fft_size": ("n_fft", "filter_length", "nfft", "fft_length"),
    "win_length": ("win_size", "window_length", "n_window_size"),
    "hop_length": ("hop_size", "hop_len", "n_window_stride"),
    "sample_rate": ("sampling_rate", "sr", "fs"),
    "preemphasis": ("preemph", "pre_emphasis"),
    "num_mels": ("n_mels", "n_mel_channels", "num_mel_bins", "n_mel", "nfilt"),
    "mel_fmin": ("fmin", "f_min", "lowfreq"),
    "mel_fmax": ("fmax", "f_max", "highfreq"),
}


def warn_of_ignored(audio: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Warns of keys of a block that Coqui TTS drops when it loads the file.

    Args:
        audio: the block as in the file.
        fields: the fields of `audio_fields.DEFAULTS` with the values that are used.
    """
    ignored = [(key, field) for field, keys in OTHER_NAMES.items() for key in keys if key in audio]
    if not ignored:
        return
    described = (f"{key} (its field is {field}, here {shown(fields[field])})" for key, field in ignored)
    warnings.warn(f"Coqui TTS ignores {', '.join(described)}", ConventionWarning, stacklevel=3)
