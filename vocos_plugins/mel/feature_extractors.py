"""Mel conventions of transformers' feature extractors, read from the object's attributes."""

from __future__ import annotations

import math
from typing import Any

from .convention import (
    ConventionError,
    LevelNormalization,
    MeanStdNormalization,
    MelConvention,
    Window,
)
from .shown import shown

WINDOWS: dict[str, Window] = {
    "hann": "hann",
    "hann_window": "hann",
    "hamming": "hamming",
    "hamming_window": "hamming",
}
REFUSED = {
    "WhisperFeatureExtractor": "it cuts off everything more than 8 decades below each clip's own maximum",
    "SeamlessM4TFeatureExtractor": (
        "it follows Kaldi (offset and pre-emphasis frame by frame, Povey's window, triangles on the mel axis), "
        "normalizes each clip by its own mean and standard deviation, and stacks its frames"
    ),
}


def from_transformers(feature_extractor: Any) -> MelConvention:
    """Reads the mel convention of a transformers feature extractor.

    Args:
        feature_extractor: a ``SpeechT5FeatureExtractor`` (the convention is that of its ``audio_target`` mels), a
            ``UnivNetFeatureExtractor``, a ``ClvpFeatureExtractor``, or an instance of a subclass. Their mels are
            ``(B, T, n_mels)``, frames first, except Clvp's. How they pad a batch or a clip isn't part of the
            convention.

    Raises:
        ConventionError: the class is another one, or no convention can express a setting; the message says why.
    """
    names = [cls.__name__ for cls in type(feature_extractor).__mro__]
    for name in names:
        if name in REFUSED:
            raise ConventionError(f"no convention can express the mel of {name}: {REFUSED[name]}")
        if name in READERS:
            try:
                return READERS[name](feature_extractor)
            except ConventionError:
                raise
            except ValueError as error:
                raise ConventionError(f"{name}: {error}") from error
    hint = "; pass its feature_extractor" if hasattr(feature_extractor, "feature_extractor") else ""
    raise ConventionError(f"expected one of {', '.join(READERS)}, got {names[0]}{hint}")


def _speecht5(extractor: Any) -> MelConvention:
    # models/speecht5/feature_extraction_speecht5.py: sizes are in milliseconds, the FFT's is the next power of two.
    win_length = extractor.win_length * extractor.sampling_rate // 1000
    if win_length % 2:
        raise ConventionError(
            f"SpeechT5FeatureExtractor: its window of {win_length} samples (win_length={extractor.win_length} ms) lies "
            "half a sample off the middle of a frame; an even number of samples is needed"
        )
    return MelConvention(
        name="speecht5",
        sample_rate=extractor.sampling_rate,
        n_fft=2 ** math.ceil(math.log2(win_length)),
        win_length=win_length,
        hop_length=extractor.hop_length * extractor.sampling_rate // 1000,
        n_mels=extractor.num_mel_bins,
        f_min=extractor.fmin,
        f_max=extractor.fmax,
        mel_scale="slaney",
        mel_norm="slaney",
        window=_window(extractor),
        log="log10",
        guard_value=extractor.mel_floor,
        pad_value=extractor.padding_value,
    )


def _univnet(extractor: Any) -> MelConvention:
    # models/univnet/feature_extraction_univnet.py: HiFi-GAN's mel.
    n_fft, hop_length = extractor.n_fft, extractor.hop_length
    if extractor.center:
        raise ConventionError(
            "UnivNetFeatureExtractor: center=True pads a signal twice; only center=False is supported"
        )
    if extractor.win_length != n_fft:
        raise ConventionError(
            f"UnivNetFeatureExtractor: win_length={extractor.win_length} differs from filter_length={n_fft}, "
            "which transformers itself cannot compute"
        )
    if (n_fft - hop_length) % 2:
        raise ConventionError(
            f"UnivNetFeatureExtractor: filter_length - hop_length must be even to pad both ends equally, "
            f"got {n_fft} - {hop_length}"
        )
    if not 0 < extractor.compression_factor < math.inf:
        raise ConventionError(
            f"UnivNetFeatureExtractor: compression_factor must be positive, got {extractor.compression_factor}"
        )
    return MelConvention(
        name="univnet",
        sample_rate=extractor.sampling_rate,
        n_fft=n_fft,
        win_length=n_fft,
        hop_length=hop_length,
        n_mels=extractor.num_mel_bins,
        f_min=extractor.fmin,
        f_max=extractor.fmax,
        mel_scale="slaney",
        mel_norm="slaney",
        window=_window(extractor),
        framing="same",
        # UnivNet's mel_floor is added under the root of the magnitude, unlike SpeechT5's, which bounds the mel.
        magnitude_eps=extractor.mel_floor,
        guard_value=extractor.compression_clip_val,
        normalization=_univnet_normalization(extractor),
    )


def _univnet_normalization(extractor: Any) -> LevelNormalization | MeanStdNormalization | None:
    # log(factor * x) is log(x) + shift, so the normalization that follows can absorb the factor.
    shift = math.log(extractor.compression_factor)
    low, high = extractor.normalize_min, extractor.normalize_max
    if extractor.do_normalize:
        return LevelNormalization(
            ref_level=high - shift, min_level=low - high, max_norm=1.0, symmetric=True, clip=False
        )
    return MeanStdNormalization(mean=-shift, std=1.0) if shift else None


def _clvp(extractor: Any) -> MelConvention:
    # models/clvp/feature_extraction_clvp.py: the mel from which Tortoise takes a voice.
    norms = extractor.mel_norms
    return MelConvention(
        name="clvp",
        sample_rate=extractor.sampling_rate,
        n_fft=extractor.n_fft,
        win_length=extractor.n_fft,
        hop_length=extractor.hop_length,
        n_mels=extractor.feature_size,
        # This, the scale, the norm and the guard are constants in transformers' code, not attributes.
        f_max=8000.0,
        mel_scale="htk",
        mel_norm="slaney",
        power=2.0,
        guard_value=1e-5,
        normalization=None if norms is None else MeanStdNormalization(mean=0.0, std=tuple(map(float, norms))),
    )


def _window(extractor: Any) -> Window:
    if extractor.win_function not in WINDOWS:
        raise ConventionError(
            f"{type(extractor).__name__}: win_function must be one of {', '.join(WINDOWS)}, "
            f"got {shown(extractor.win_function)}"
        )
    return WINDOWS[extractor.win_function]


READERS = {
    "SpeechT5FeatureExtractor": _speecht5,
    "UnivNetFeatureExtractor": _univnet,
    "ClvpFeatureExtractor": _clvp,
}
