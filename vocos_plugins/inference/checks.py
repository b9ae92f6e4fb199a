"""Input checks of `Vocos.decode`. Errors name the value, what was expected and what to do."""

from __future__ import annotations

import torch
from torch import Tensor

from ..config import EncodecCodes, VocosConfig
from ..mel.inputs import Numbers, as_audio, as_tensor
from ..network.encodec import INTEGER_DTYPES

# Beyond this a layer norm's variance overflows float32; no mel or EnCodec feature comes near.
MAX_FEATURE = 1e15


def check_shape(features: Numbers, n_features: int, min_frames: int = 1) -> Tensor:
    """Returns features as a tensor.

    Raises:
        TypeError, ValueError: they are not floating point ``(B, n_features, T >= min_frames)``.
    """
    features = as_tensor(features, "features")
    if features.is_meta:
        raise ValueError("features are on the meta device, which holds no values")
    if not features.is_floating_point():
        raise TypeError(f"features must be floating point, got {features.dtype}; codes go through codes_to_features")
    shape = tuple(features.shape)
    if features.dim() != 3:
        hint = ""
        if features.dim() == 2:
            turned = shape[0] != n_features and shape[1] == n_features
            hint = "; the bands come first: try mel.T[None]" if turned else "; add the batch dimension: mel[None]"
        raise ValueError(f"features must be (B, {n_features}, T), got shape {shape}{hint}")
    if shape[1] != n_features:
        hint = "; the bands come first: try mel.transpose(1, 2)" if shape[2] == n_features else ""
        raise ValueError(f"this model takes {n_features} bands, got {shape[1]} in shape {shape}{hint}")
    if shape[2] < min_frames:
        raise ValueError(f"features have no frames: shape {shape}")
    return features


def check_features(features: Numbers, n_features: int) -> Tensor:
    """Returns features as a tensor, if any backend can decode them.

    The whole at once, before it is aligned or cut: a clamp would hide bad values, and an error names their place.

    Raises:
        TypeError, ValueError: their kind, shape or range is wrong.
    """
    features = check_shape(features, n_features)
    check_finite(features, torch.float32)
    return features


def check_device(weight: Tensor) -> None:
    """Raises ValueError for weights that hold no values."""
    if weight.is_meta:
        raise ValueError(
            "the model is on the meta device, which holds no values: load it with Vocos.from_pretrained, or its "
            "weights with load_state_dict(..., assign=True)"
        )


def frame_mask(lengths: Tensor, batch: int, n_frames: int, device: torch.device) -> Tensor:
    """Returns a bool mask ``(B, T)`` for lengths ``(B,)``; raises ValueError for invalid lengths."""
    lengths = torch.as_tensor(lengths, device=device)
    if lengths.dtype not in INTEGER_DTYPES or lengths.shape != (batch,):
        raise ValueError(f"lengths must be {batch} integers, got {lengths.dtype} of shape {tuple(lengths.shape)}")
    lengths = lengths.long()
    if batch and not 0 <= int(lengths.min()) <= int(lengths.max()) <= n_frames:
        raise ValueError(f"lengths must lie in 0..{n_frames}, got {lengths.tolist()}")
    return torch.arange(n_frames, device=device) < lengths[:, None]


def check_finite(features: Tensor, dtype: torch.dtype, mask: Tensor | None = None) -> None:
    """Raises ValueError if features hold NaN, infinite or too large values.

    Args:
        features: ``(B, C, T)``.
        dtype: the precision that the backbone computes in.
        mask: bool ``(B, T)``; frames outside it may hold anything.
    """
    limit = min(MAX_FEATURE, torch.finfo(dtype).max)
    relevant = features if mask is None else features.masked_fill(~mask[:, None], 0.0)
    if relevant.numel() == 0 or all(abs(extreme.item()) <= limit for extreme in relevant.aminmax()):  # NaN is not
        return
    usable = relevant.abs() <= limit
    bad = (~usable).nonzero()
    row, band, frame = (int(index) for index in bad[0])
    first = float(features[row, band, frame])
    what = f"values beyond {limit:g}" if abs(first) < float("inf") else "NaN or infinite values"
    raise ValueError(f"features hold {len(bad)} {what}, the first in row {row}, band {band}, frame {frame}: {first:g}")


def bandwidth_ids(bandwidth_id: int | Tensor | None, batch: int, config: VocosConfig) -> Tensor | None:
    """Returns ids int64 ``(B, 1)`` or ``(1, 1)``, None for unconditioned models; raises ValueError for invalid ids."""
    n_bandwidths = config.n_bandwidths
    if n_bandwidths is None:
        if bandwidth_id is not None:
            raise ValueError(f"this model has no bandwidths; leave bandwidth_id={bandwidth_id!r} out")
        return None
    choices = _describe_bandwidths(config, n_bandwidths)
    if bandwidth_id is None:
        raise ValueError(f"this model needs a bandwidth_id: {choices}")
    ids = torch.as_tensor(bandwidth_id)
    if ids.dtype not in INTEGER_DTYPES or ids.shape not in ((), (1,), (1, 1), (batch,), (batch, 1)):
        raise ValueError(
            f"bandwidth_id must be one integer or {batch} (one per row), got {ids.dtype} of shape {tuple(ids.shape)}"
        )
    ids = ids.long()  # torch has no min of unsigned integers
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < n_bandwidths:
        raise ValueError(f"bandwidth_id must be {choices}; got {ids.flatten().tolist()}")
    return ids.reshape(-1, 1)


def _describe_bandwidths(config: VocosConfig, n_bandwidths: int) -> str:
    if not isinstance(config.features, EncodecCodes):
        return f"0 to {n_bandwidths - 1}"
    return ", ".join(f"{i} ({kbps:g} kb/s)" for i, kbps in enumerate(config.features.bandwidths))


def check_audio(audio: Numbers) -> Tensor:
    """Returns audio as a tensor; raises TypeError or ValueError if it isn't finite floating point ``(B, N)``."""
    audio = as_audio(audio)
    if audio.is_meta:
        raise ValueError("audio is on the meta device, which holds no values")
    if not bool(torch.isfinite(audio).all()):
        raise ValueError("audio holds NaN or infinite samples")
    return audio
