"""A mel convention as the ``preprocessor`` block of a NeMo configuration: the way back from `preprocessor`."""

from __future__ import annotations

from typing import Any

import torch

from vocos_plugins.mel import MelConvention, MelMismatch
from vocos_plugins.mel.compression import compress
from vocos_plugins.mel.difference import differences

from .preprocessor import to_convention

# What HiFi-GAN's configurations have; takes audio and lengths by position, which NeMo's logging counts on.
TARGET = "nemo.collections.asr.parts.preprocessing.features.FilterbankFeatures"


def preprocessor_block(mel: MelConvention) -> dict[str, Any]:
    """Options of NeMo's ``FilterbankFeatures`` that compute a mel; what `differences` calls negligible may differ.

    A convention without a ``pad_value`` gets that of digital silence.

    Raises:
        MelMismatch: NeMo computes no such mel; the message names the fields.
    """
    block = {
        "_target_": TARGET,
        "sample_rate": mel.sample_rate,
        "n_fft": mel.n_fft,
        "n_window_size": mel.win_length,
        "n_window_stride": mel.hop_length,
        "window": mel.window,
        "nfilt": mel.n_mels,
        "lowfreq": mel.f_min,
        "highfreq": mel.f_max,
        "mel_norm": mel.mel_norm,
        "mag_power": float(mel.power),
        "log": mel.log is not None,
        "log_zero_guard_type": mel.guard,
        "log_zero_guard_value": mel.guard_value,
        "preemph": mel.pre_emphasis or None,
        "exact_pad": mel.framing == "same",
        "pad_to": 0,
        "pad_value": float(compress(torch.zeros(1, 1), mel)) if mel.pad_value is None else mel.pad_value,
        "normalize": None,
        "dither": 0.0,
        "frame_splicing": 1,
        "use_grads": False,
    }
    found = differences(mel, to_convention(block))
    if left := tuple(difference for difference in found if difference.severity != "negligible"):
        fields = "\n".join(f"  {difference}" for difference in left)
        raise MelMismatch(
            f"NeMo's preprocessor can't compute the mel {mel.name or repr(mel)}, so no NeMo model makes it; against "
            f"what comes nearest:\n{fields}\nPass the convention of the model that the mels will come from: "
            "vocos_nemo.mel.from_nemo(model.cfg.preprocessor)",
            left,
        )
    return block
