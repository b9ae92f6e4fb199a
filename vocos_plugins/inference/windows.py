"""Long inputs in bounded memory: pieces are decoded with enough context that together they equal the whole."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..mel.alignment import align
from ..mel.convention import MelConvention
from ..mel.inputs import Numbers, as_tensor
from ..mel.padding import filled_lengths, longest_filled
from ..network.network import MelFeatures, Network
from .checks import check_features
from .cuts import STREAM_FRAMES, cut_frames
from .decode import decode_every_frame, resynthesize


@dataclass(frozen=True, kw_only=True)
class Window:
    """A part of an item with its context. It can be decoded by itself, in another process too.

    Attributes:
        inputs: features ``(B, C, T)``, or audio ``(B, n)``.
        first, n_samples: the part of its decoded audio that counts.
        silence: samples of silence after it, in place of padding.
    """

    inputs: Tensor
    first: int
    n_samples: int
    silence: int = 0

    def cut(self, audio: Tensor) -> Tensor:
        """Returns the samples that count, ``(B, n_samples + silence)``."""
        audio = audio[:, self.first : self.first + self.n_samples]
        return F.pad(audio, (0, self.silence)) if self.silence else audio


def decode_chunks(
    network: Network,
    features: Numbers,
    *,
    bandwidth_id: int | None = None,
    source: MelConvention | None = None,
    strict: bool = False,
    chunk_frames: int = STREAM_FRAMES,
    postfilter: bool = True,
) -> Iterator[Tensor]:
    """Decodes features piece by piece; together the pieces equal `Vocos.decode`, within rounding.

    A batch whose rows end in padding of different lengths is decoded as a whole.

    Args:
        network: the model.
        features: ``(B, C, T)``, of any length.
        bandwidth_id, source, strict: as for `Vocos.decode`.
        chunk_frames: frames per piece; more of them cost memory, fewer cost time for their context.
        postfilter: as for `decode_every_frame`.

    Yields:
        Audio ``(B, n)``, in order.

    Raises:
        TypeError, ValueError: see `Vocos.decode`.
    """
    features = as_tensor(features, "features")
    lengths = filled_lengths(features, source or network.mel)
    if lengths is not None and len(set(lengths.tolist())) > 1:
        yield decode_every_frame(
            network,
            features,
            lengths=lengths,
            bandwidth_id=bandwidth_id,
            source=source,
            strict=strict,
            postfilter=postfilter,
        )
        return
    for window in decode_windows(
        network, features, source=source, strict=strict, chunk_frames=chunk_frames, postfilter=postfilter
    ):
        yield decode_window(network, window, bandwidth_id)


def decode_windows(
    network: Network,
    features: Numbers,
    *,
    source: MelConvention | None = None,
    strict: bool = False,
    chunk_frames: int = STREAM_FRAMES,
    postfilter: bool = True,
) -> Iterator[Window]:
    """Yields the windows that `decode_chunks` decodes, up to the longest row's padding, for `decode_window`.

    Their features are aligned and, if ``postfilter`` is true, postfiltered: both see more than one window.
    """
    features = check_features(features, network.config.n_features if source is None else source.n_mels)
    n_frames, n_filled = features.shape[2], longest_filled(features, source or network.mel)
    filled = features[:, :, :n_filled]
    if source is None or source == network.mel:
        windows = _own_windows(network, filled, chunk_frames, postfilter)
        silence = network.config.n_samples(n_frames) - network.config.n_samples(n_filled)
    else:
        # The whole mel is aligned, as an alignment may depend on all of it; it is a hundredth of the audio's size.
        alignment = align(source, network.mel, strict=strict, upsample=network.config.upsample)
        windows = _own_windows(network, alignment(filled), chunk_frames, postfilter)
        windows = _cut_windows(windows, alignment.first_sample, alignment.n_samples(n_filled))
        silence = alignment.n_samples(n_frames) - alignment.n_samples(n_filled)
    nothing = features.new_zeros(len(features), network.config.n_features, 1)
    yield from _end_in_silence(windows, Window(inputs=nothing, first=0, n_samples=0, silence=silence))


def decode_window(network: Network, window: Window, bandwidth_id: int | None = None) -> Tensor:
    """Returns the audio ``(B, n)`` of a window of `decode_windows`."""
    return window.cut(decode_every_frame(network, window.inputs, bandwidth_id=bandwidth_id, postfilter=False))


def _own_windows(network: Network, features: Tensor, chunk_frames: int, postfilter: bool) -> Iterator[Window]:
    n_frames = features.shape[2]
    for cut in cut_frames(
        n_frames,
        chunk_frames,
        context=network.context_frames,
        hop_length=network.hop_length,
        n_samples=network.config.n_samples(n_frames),
    ):
        n_samples = cut.samples.stop - cut.samples.start
        inputs = features[:, :, cut.frames]
        if postfilter:
            inputs = network.postfiltered(features[:, :, : cut.frames.stop], cut.frames.start)
        yield Window(inputs=inputs, first=cut.skipped, n_samples=n_samples)


def resynthesize_chunks(
    network: Network, blocks: Iterable[Tensor], *, chunk_frames: int = STREAM_FRAMES
) -> Iterator[Tensor]:
    """Copy-synthesis of a stream of audio; yields as many samples as came in.

    Args:
        network: an unconditioned mel model.
        blocks: audio ``(B, n)`` at the model's sample rate, pieces of any length.
        chunk_frames: as for `decode_chunks`.

    Yields:
        Audio ``(B, n)``, in order: that of calling the model on the whole, padded with zeros to whole frames.
    """
    for window in resynthesis_windows(network, blocks, chunk_frames=chunk_frames):
        yield window.cut(resynthesize(network, window.inputs, length=window.inputs.shape[1]))


def resynthesis_windows(
    network: Network, blocks: Iterable[Tensor], *, chunk_frames: int = STREAM_FRAMES
) -> Iterator[Window]:
    """Yields the windows of audio that `resynthesize_chunks` vocodes, each at its own length."""
    if network.mel is None or not isinstance(network.feature_extractor, MelFeatures):
        raise ValueError("this model takes EnCodec codes; copy-synthesis needs a mel model")
    hop_length = network.hop_length
    # Frames at a window's ends see mirrored samples in place of real neighbours: one frame's length more of context.
    decimation = network.feature_extractor.decimation
    reach = network.mel.n_fft * network.config.upsample + (0 if decimation is None else decimation.reach)
    context = (network.context_frames + math.ceil(reach / hop_length)) * hop_length
    chunk = chunk_frames * hop_length
    # `held` is the audio that is still needed; its first `before` samples are context that was yielded already. Both
    # are None until the first block says how many channels there are.
    held = before = None
    for block in blocks:
        held = block if held is None else torch.cat([held, block], dim=1)
        before = 0 if before is None else before
        while held.shape[1] >= before + chunk + context:
            yield Window(inputs=held[:, : before + chunk + context], first=before, n_samples=chunk)
            drop = max(0, before + chunk - context)
            held, before = held[:, drop:], before + chunk - drop
    if held is not None and before is not None and held.shape[1] > before:
        yield Window(inputs=held, first=before, n_samples=held.shape[1] - before)


def cut_samples(pieces: Iterable[Tensor], first: int, n_samples: int) -> Iterator[Tensor]:
    """Yields ``n_samples`` samples of consecutive pieces ``(B, n)``, from sample ``first`` on."""
    position = 0
    for piece in pieces:
        start, end = max(0, first - position), first + n_samples - position
        position += piece.shape[1]
        if (kept := piece[:, start : max(start, end)]).shape[1]:
            yield kept


def _cut_windows(windows: Iterable[Window], first: int, n_samples: int) -> Iterator[Window]:
    """Cuts windows before they are decoded, as `cut_samples` cuts their audio."""
    position = 0
    for window in windows:
        start, end = max(0, first - position), min(window.n_samples, first + n_samples - position)
        position += window.n_samples
        if end > start:
            yield dataclasses.replace(window, first=window.first + start, n_samples=end - start)


def _end_in_silence(windows: Iterable[Window], end: Window) -> Iterator[Window]:
    """Adds the silence of ``end`` to the last window; yields ``end`` itself if there are no windows."""
    if end.silence == 0:
        yield from windows
        return
    last: Window | None = None
    for window in windows:
        if last is not None:
            yield last
        last = window
    yield end if last is None else dataclasses.replace(last, silence=end.silence)
