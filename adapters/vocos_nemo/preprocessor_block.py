"""Writes a mel convention as the ``preprocessor`` block of a NeMo configuration: the inverse of `preprocessor`."""

from __future__ import annotations

from typing import Any

import torch

from vocos_plugins.mel import MelConvention, MelMismatch
from vocos_plugins.mel.compression import compress
from vocos_plugins.mel.difference import differences

from .preprocessor import TARGETS, to_convention

# The class of HiFi-GAN's configurations: it takes audio and lengths by position, which NeMo's logging relies on.
TARGET = TARGETS["FilterbankFeatures"]


def preprocessor_block(mel: MelConvention) -> dict[str, Any]:
    """Returns options of NeMo's ``FilterbankFeatures`` that compute a mel, up to differences that are negligible.

    A convention without a ``pad_value`` gets the value of digital silence.

    Raises:
        MelMismatch: NeMo can't compute such a mel; the message names the fields.
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
        # These are set because NeMo's defaults pad to a multiple of 16, normalize by utterance and add noise.
        "pad_to": 0,
        "pad_value": float(compress(torch.zeros(1, 1), mel)) if mel.pad_value is None else mel.pad_value,
        "normalize": None,
        "dither": 0.0,
        "frame_splicing": 1,
        "use_grads": False,
    }
    # Read back what was written: this finds the fields that no option of NeMo expresses.
    remaining = tuple(each for each in differences(mel, to_convention(block)) if each.severity != "negligible")
    if remaining:
        fields = "\n".join(f"  {difference}" for difference in remaining)
        raise MelMismatch(
            f"NeMo's preprocessor can't compute the mel {mel.name or repr(mel)}, so no NeMo model uses it; differences "
            f"from the nearest one:\n{fields}\nPass the convention of the model that makes the mels: "
            "vocos_nemo.mel.from_nemo(model.cfg.preprocessor)",
            remaining,
        )
    return block
