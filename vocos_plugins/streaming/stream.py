"""One stream, or several in step: mel chunks in, the samples that are ready out."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ..checks import bandwidth_ids, check_finite, check_shape
from ..config import ISTFT
from ..heads import ISTFTHead
from .layers import State, walk
from .overlap import Overlap, overlapping_frames
from .voicing import Voicing, voice

if TYPE_CHECKING:
    from ..model import Vocos

# What `low_latency` stands for; docs/streaming.md has what it costs.
LOW_LATENCY_FRAMES = 8


@dataclass
class _Progress:
    """Of a stream that has begun.

    Attributes:
        layers: what the backbone's layers keep.
        waiting: features ``(B, C, n)`` whose hidden states are yet to come.
        voicing: what gives the head's frames.
        overlap: what sums them up.
        n_frames: frames that came in.
    """

    layers: State
    waiting: Tensor
    voicing: Voicing
    overlap: Overlap
    n_frames: int = 0


class Stream:
    """Decodes a mel that comes in chunks of any length; what `Vocos.streaming` gives.

    Together, the samples that it gives are those of `Vocos.decode` of the whole mel: every layer keeps what its next
    outputs need, and the head the samples that later frames will add to. With a `look_ahead` that is less than the
    full one, what is missing of the future is filled with the newest frame, and the samples are only similar.

    A stream is of one thread at a time. Any number of them can go on beside each other; none changes the model. The
    constructor's arguments are those of `Vocos.streaming`.
    """

    def __init__(
        self,
        vocos: Vocos,
        batch_size: int = 1,
        *,
        look_ahead: int | None = None,
        low_latency: bool = False,
        bandwidth_id: int | Tensor | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self._vocos = vocos
        self._batch_size = batch_size
        self._bandwidths = bandwidth_ids(bandwidth_id, batch_size, vocos.config)
        self._progress: _Progress | None = None
        self.reset()
        full = self.full_look_ahead
        if look_ahead is None:
            look_ahead = min(LOW_LATENCY_FRAMES, full) if low_latency else full
        if not 0 <= look_ahead <= full:
            raise ValueError(f"look_ahead must be 0 to {full} frames, all that this model sees; got {look_ahead}")
        self._look_ahead = look_ahead

    @property
    def full_look_ahead(self) -> int:
        """Frames of `look_ahead` with which the samples are those of the whole decode."""
        return self._behind

    @property
    def look_ahead(self) -> int:
        """Frames after a frame that must have come in before all samples up to its middle are out.

        Samples up to there depend on no later ones. The middle of frame ``t`` is sample ``t * hop_length`` for
        ``center`` framing, ``(t + 1/2) * hop_length`` for ``same``. It is the sum of what the backbone's layers, and
        the passes of a refinement, see of the future, and of the frames that overlap the samples before.
        """
        return self._look_ahead

    @property
    def latency(self) -> float:
        """Milliseconds from when a frame comes in to when the samples up to its middle are out: the algorithm's own.

        `look_ahead` in time, if frames come in one by one as fast as they last. The time that computing takes, the
        time that a chunk of several frames takes to fill, and half a window of whoever computes a mel from audio
        come on top.
        """
        return 1000 * self._look_ahead * self._vocos.hop_length / self._vocos.sample_rate

    def reset(self) -> None:
        """Forgets what came in, and begins anew with the model as it is now."""
        vocos = self._vocos
        self._layers = walk(vocos)
        self._weight = weight = next(vocos.backbone.parameters())
        if self._bandwidths is not None:
            self._bandwidths = self._bandwidths.to(weight.device)
        silence = weight.new_zeros(self._batch_size, 0, dtype=torch.promote_types(weight.dtype, torch.float32))
        options, head = vocos.config.head, vocos.head
        window = cast(ISTFTHead, head).istft.window if isinstance(options, ISTFT) else None
        voicing = voice(head, options, self._batch_size)
        self._behind = self._layers.look_ahead + voicing.look_ahead + overlapping_frames(options)
        self._progress = _Progress(
            layers=self._layers.start(self._batch_size),
            waiting=silence.new_zeros(self._batch_size, vocos.config.n_features, 0),
            voicing=voicing,
            overlap=Overlap(options, window, silence),
        )

    @torch.no_grad()
    def __call__(self, features: Tensor) -> Tensor:
        """Takes more frames.

        Args:
            features: ``(B, n_mels, t)``, or EnCodec features; any ``t``, also 0. Nothing changes if they are refused.

        Shape: ``(B, n)``, the samples that are ready now, float32 (float64 if the model is); ``n`` can be 0.

        Raises:
            TypeError, ValueError: as of `Vocos.decode`, or the batch is of another size.
            RuntimeError: the stream has ended.
        """
        progress = self._begun()
        check_shape(features, self._vocos.config.n_features, min_frames=0)
        if len(features) != self._batch_size:
            raise ValueError(f"this stream is of {self._batch_size} rows in step, got {len(features)}")
        check_finite(features, self._weight.dtype)
        if features.shape[2] == 0:
            return progress.overlap.silence
        self._advance(progress, features.to(progress.waiting), last=False)
        return progress.overlap.pop(min(progress.overlap.n_final, self._vocos.config.n_samples(progress.n_frames)))

    @torch.no_grad()
    def flush(self) -> Tensor:
        """Ends the stream: the samples that are left, ``(B, n)``. `reset` begins anew.

        Raises:
            RuntimeError: the stream has ended before.
        """
        progress = self._begun()
        self._advance(progress, progress.waiting[:, :, :0], last=True)
        self._progress = None
        return progress.overlap.pop(self._vocos.config.n_samples(progress.n_frames))

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress = None

    def _begun(self) -> _Progress:
        if self._progress is None:
            raise RuntimeError("this stream has ended, by flush() or at the end of its `with`; reset() begins anew")
        return self._progress

    @torch.inference_mode()
    def _advance(self, progress: _Progress, features: Tensor, *, last: bool) -> None:
        """Through backbone and head, up to the last frame that can be had."""
        n_before, n_real = progress.n_frames - progress.waiting.shape[2], features.shape[2]
        seen = torch.cat([progress.waiting, features], dim=2)
        progress.n_frames += n_real
        if not last:
            newest = features[:, :, -1:].expand(-1, -1, self.full_look_ahead - self._look_ahead)
            features, seen = (torch.cat([given, newest], dim=2) for given in (features, seen))
        hidden, n_settled, progress.layers = self._layers(
            features.to(self._weight.dtype), n_real, progress.layers, self._bandwidths, last
        )
        progress.waiting = seen[:, :, n_settled : progress.n_frames - n_before].clone()
        frames = progress.voicing(hidden, seen[:, :, : hidden.shape[1]], n_settled, last)
        if frames is not None:
            progress.overlap.push(frames)
