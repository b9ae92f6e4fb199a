"""Decoding in step with a text-to-speech model: exactly as many samples as its frames last."""

from __future__ import annotations

import torch
from torch import Tensor

from ..mel.alignment import Alignment
from ..mel.convention import MelConvention
from ..mel.inputs import Numbers, as_tensor
from ..mel.padding import filled_lengths
from ..network.network import Network
from .checks import check_shape, frame_mask
from .decode import decode, synthesize
from .resampling import resample


def decode_frames(
    network: Network,
    mel: Numbers,
    *,
    lengths: Tensor | None = None,
    source: MelConvention | None = None,
    strict: bool = False,
) -> Tensor:
    """Decodes a mel to exactly ``T * hop_length`` samples, as toolkits expect; `Vocos.decode` returns a hop less.

    A centred frame stands for half a hop on each side. The last half hop, and the half of the frame that would follow,
    are filled by holding the last frame. Frame ``t`` of a centred mel stays at sample ``t * hop_length``: nothing is
    delayed.

    Args:
        network: a mel model.
        mel: ``(B, n_mels, T)``, in the convention ``source``.
        lengths: frames of each row of a ragged batch, ``(B,)``; a row is 0 past its end. Without it, a row ends before
            the frames at its end that hold only the convention's ``pad_value``.
        source, strict: as for `Vocos.decode`.

    Shape: ``(B, T * hop_length)``; if the model has another sample rate or hop, as long in seconds.

    Raises:
        MelMismatch, TypeError, ValueError: see `Vocos.decode`.
    """
    mel = as_tensor(mel, "mel")
    convention = source or network.mel
    if convention is None or convention.framing == "same":
        return decode(network, mel, lengths=lengths, source=source, strict=strict)
    check_shape(mel, convention.n_mels)
    if lengths is None:
        lengths = filled_lengths(mel, convention)
    held = hold_last(mel, convention)
    if lengths is not None:
        # A shorter row is held at its own end, over its padding.
        counts = frame_mask(lengths, len(mel), mel.shape[-1], mel.device).sum(dim=1)
        rows = torch.arange(len(mel), device=mel.device)
        held[rows, :, counts] = mel[rows, :, (counts - 1).clamp_min(0)]
        # An empty row has no frame to hold.
        lengths = counts + (counts > 0)
    return decode(network, held, lengths=lengths, source=source, strict=strict)


def decode_in_step(
    network: Network,
    mel: Tensor,
    *,
    lengths: Tensor | None = None,
    source: MelConvention | None = None,
    strict: bool = False,
) -> Tensor:
    """Decodes as `decode_frames` does, at the mel's own sample rate, whatever the network's; see there.

    Shape: ``(B, T * hop_length)``, rate and hop of the mel.
    """
    convention = source or network.mel
    if lengths is None:
        lengths = filled_lengths(mel, convention)
    audio = decode_frames(network, mel, lengths=lengths, source=source, strict=strict)
    return audio if convention is None else at_rate_of(convention, audio, network.sample_rate, mel, lengths)


def at_rate_of(
    convention: MelConvention, audio: Tensor, sample_rate: int, mel: Tensor, lengths: Tensor | None
) -> Tensor:
    """Returns the audio of a mel at the mel's sample rate, without gradients if that is another one.

    Args:
        convention: the mel's.
        audio: ``(B, N)``, as long as the mel, at ``sample_rate``.
        sample_rate: Hz.
        mel: ``(B, n_mels, T)``.
        lengths: frames of each row, ``(B,)``; a row is 0 past its end.

    Shape: ``(B, T * hop_length)``.
    """
    n_frames, hop_length = mel.shape[-1], convention.hop_length
    audio = resample(audio, sample_rate, convention.sample_rate, n_frames * hop_length)
    if lengths is None or sample_rate == convention.sample_rate:
        return audio
    # Resampling smears each row a little past its end.
    mask = frame_mask(lengths, len(mel), n_frames, audio.device)
    return audio.masked_fill(~mask.repeat_interleave(hop_length, dim=1), 0.0)


def synthesize_frames(network: Network, mel: Tensor, alignment: Alignment, *, postfilter: bool = False) -> Tensor:
    """Decodes as `decode_frames` does, differentiably and without checks.

    Args:
        network: a mel model.
        mel: ``(B, n_mels, T)`` in the convention ``alignment.source``.
        alignment: to the network's own mel.
        postfilter: whether the mel was predicted, so that the network's postfilter applies if it has one.

    Shape: ``(B, T * hop_length)``.
    """
    held = hold_last(mel, alignment.source)
    aligned = alignment(held)
    audio = synthesize(network, network.postfiltered(aligned) if postfilter else aligned)
    return alignment.trim(audio, held.shape[-1])


def hold_last(mel: Tensor, convention: MelConvention) -> Tensor:
    """Repeats the last frame of a centred mel once; returns any other mel as it is."""
    return torch.cat([mel, mel[..., -1:]], dim=-1) if convention.framing == "center" else mel
