"""Decoding: what `Vocos.decode`, `Vocos.synthesize` and calling a `Vocos` do."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..mel.alignment import Alignment, align
from ..mel.convention import MelConvention
from ..mel.inputs import Numbers, as_tensor
from ..mel.padding import filled_lengths
from ..network.encodec import EncodecFeatures
from ..network.network import Network, engine_allowed
from ..spectral import has_complex
from .checks import bandwidth_ids, check_audio, check_device, check_finite, check_shape, frame_mask
from .items import decode_items

# Devices on which a ragged batch is decoded row by row: on a CPU that is faster than computing the padding, and each
# row equals its own single decode (`items`). Elsewhere all rows are computed together, with masks.
ROW_BY_ROW = ("cpu",)


@torch.no_grad()
def decode(
    network: Network,
    features: Numbers,
    *,
    lengths: Tensor | None = None,
    bandwidth_id: int | Tensor | None = None,
    source: MelConvention | None = None,
    strict: bool = False,
) -> Tensor:
    """Decodes a batch of features; `vocos_plugins.Vocos.decode` documents it."""
    features = as_tensor(features, "features")
    if lengths is None:
        lengths = filled_lengths(features, source or network.mel)
    return decode_every_frame(
        network, features, lengths=lengths, bandwidth_id=bandwidth_id, source=source, strict=strict
    )


@torch.no_grad()
def decode_every_frame(
    network: Network,
    features: Tensor,
    *,
    lengths: Tensor | None = None,
    bandwidth_id: int | Tensor | None = None,
    source: MelConvention | None = None,
    strict: bool = False,
    postfilter: bool = True,
) -> Tensor:
    """Decodes as `decode` does, but takes no frame for padding: for parts of a mel.

    Args:
        network, features, lengths, bandwidth_id, source, strict: see there.
        postfilter: whether features were predicted, so that the network's postfilter applies if it has one.
    """
    if source is None or source == network.mel:
        return _decode_own(network, features, lengths, bandwidth_id, postfilter=postfilter)
    alignment = align(source, network.mel, strict=strict, upsample=network.config.upsample)
    if alignment.kind == "identity":
        return _decode_own(network, features, lengths, postfilter=postfilter)
    return _decode_aligned(network, features, alignment, lengths, postfilter=postfilter)


def synthesize(
    network: Network, features: Tensor, bandwidth_id: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """Decodes without checks; `vocos_plugins.Vocos.synthesize` documents it."""
    if mask is None and engine_allowed(features.device) and len(features):
        items = decode_items(network, list(features), bandwidth_id)
        return items[0][None] if len(items) == 1 else torch.stack(items)  # a copy of an hour is 300 MB
    return network.compute(features, bandwidth_id, mask)


@torch.no_grad()
def resynthesize(
    network: Network, audio: Numbers, *, length: int | None = None, bandwidth_id: int | Tensor | None = None
) -> Tensor:
    """Vocodes audio's own features; `vocos_plugins.Vocos.forward` documents it."""
    audio = check_audio(audio)
    front_end = network.feature_extractor
    if isinstance(front_end, EncodecFeatures):
        ids = bandwidth_ids(bandwidth_id, len(audio), network.config)
        indices = [len(front_end.options.bandwidths) - 1] if ids is None else ids.flatten().tolist()
        audio = F.pad(audio, (0, max(0, (length or 0) - audio.shape[1])))
        features = front_end.from_audio(audio, indices)
    else:
        if length is not None:
            audio = F.pad(audio, (0, network.filled_length(max(length, audio.shape[1])) - audio.shape[1]))
        features = front_end(audio.to(front_end.mel_spec.spectrogram.window))
    return _decode_own(network, features, bandwidth_id=bandwidth_id, postfilter=False)[:, :length]


@torch.no_grad()
def encode(network: Network, audio: Numbers, bandwidth_id: int) -> Tensor:
    """Encodes audio into EnCodec codes; `vocos_plugins.Vocos.encode` documents it."""
    audio = check_audio(audio)
    if not isinstance(network.feature_extractor, EncodecFeatures):
        raise ValueError("this model takes mel spectrograms, not EnCodec codes: MelSpectrogram(vocos.mel)(audio)")
    network.feature_extractor.check_bandwidth(bandwidth_id)
    return network.feature_extractor.encode(audio, bandwidth_id)


def _decode_own(
    network: Network,
    features: Numbers,
    lengths: Tensor | None = None,
    bandwidth_id: int | Tensor | None = None,
    *,
    postfilter: bool,
) -> Tensor:
    """Checks features in the network's own convention and decodes them."""
    weight = next(network.backbone.parameters())
    check_device(weight)
    features = check_shape(features, network.config.n_features)
    batch, _, n_frames = features.shape
    mask = None if lengths is None else frame_mask(lengths, batch, n_frames, features.device)
    check_finite(features, weight.dtype, mask)
    bandwidths = bandwidth_ids(bandwidth_id, batch, network.config)
    # The head computes in float32 at least, and an amplitude prior reads the features themselves.
    features = features.to(weight.device, torch.promote_types(weight.dtype, torch.float32))
    if batch == 0:
        return features.new_zeros(0, network.config.n_samples(n_frames))
    bandwidths = None if bandwidths is None else bandwidths.to(weight.device)
    if postfilter:
        features = network.postfiltered(features)
    if mask is None:
        return synthesize(network, features, bandwidths)
    if weight.device.type in ROW_BY_ROW or not has_complex(weight.device.type):
        return _decode_rows(network, features, bandwidths, mask.sum(dim=1).tolist())
    return synthesize(network, features, bandwidths, mask.to(weight.device))


def _decode_rows(network: Network, features: Tensor, bandwidths: Tensor | None, lengths: list[int]) -> Tensor:
    """Decodes a ragged batch ``(B, C, T)`` row by row: audio ``(B, N)``, 0 past each row's end."""
    audio = features.new_zeros(len(features), network.config.n_samples(features.shape[2]))
    rows = [row for row, n_frames in enumerate(lengths) if network.config.n_samples(n_frames) > 0]
    items = [features[row, :, : lengths[row]] for row in rows]
    ids = bandwidths if bandwidths is None or len(bandwidths) == 1 else bandwidths[rows]
    for row, decoded in zip(rows, decode_items(network, items, ids), strict=True):
        audio[row, : len(decoded)] = decoded
    return audio


def _decode_aligned(
    network: Network, mel: Numbers, alignment: Alignment, lengths: Tensor | None, *, postfilter: bool
) -> Tensor:
    """Aligns mels ``(B, n_mels, T)`` of another convention to the network's own and decodes them: ``(B, N)``."""
    mel = check_shape(mel, alignment.source.n_mels)
    mask = None if lengths is None else frame_mask(lengths, len(mel), mel.shape[-1], mel.device)
    # Before the alignment, whose clamps would turn NaN and infinity into something that looks like sound.
    check_finite(mel, mel.dtype, mask)
    if mask is None:
        return alignment.trim(_decode_own(network, alignment(mel), postfilter=postfilter), mel.shape[-1])
    counts = mask.sum(dim=1).tolist()
    # Each row by itself: a frame that is added or interpolated must not see the padding.
    rows = [alignment(row[None, :, :count])[0] for row, count in zip(mel, counts, strict=True)]
    aligned = torch.tensor([row.shape[-1] for row in rows])
    longest = max(1, *aligned.tolist())  # a batch of rows without frames still needs one
    padded = [F.pad(row, (0, longest - row.shape[-1])) for row in rows]
    batch = torch.stack(padded) if rows else mel.new_zeros(0, network.config.n_features, longest)
    audio = _decode_own(network, batch, aligned, postfilter=postfilter)
    trimmed = audio.new_zeros(len(rows), alignment.n_samples(mel.shape[-1]))
    for row, (decoded, count) in enumerate(zip(audio, counts, strict=True)):
        trimmed[row, : alignment.n_samples(count)] = alignment.trim(decoded, count)
    return trimmed
