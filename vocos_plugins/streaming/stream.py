"""One stream, or several that advance together: mel chunks in, the samples that are ready out."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import cast

import torch
from torch import Tensor

from ..config import ISTFT
from ..inference.checks import bandwidth_ids, check_device, check_finite, check_shape
from ..mel.inputs import Numbers
from ..network.heads import ISTFTHead
from ..network.network import Network
from .backbone import LayerState, streaming_backbone
from .head import FrameSource, StreamingOverlapAdd, head_frames, overlapping_frames

# The look-ahead of `low_latency`; docs/streaming.md has what it costs.
LOW_LATENCY_FRAMES = 8


@dataclass
class _StreamState:
    """State of a running stream.

    Attributes:
        layers: state of the backbone's layers.
        past: the last frames ``(B, C, n)`` that came in, for the postfilter, if there is one.
        waiting: features ``(B, C, n)`` whose hidden states are yet to come.
        source: returns the head's frames.
        overlap: sums the frames.
        n_frames: frames that came in.
    """

    layers: LayerState
    past: Tensor
    waiting: Tensor
    source: FrameSource
    overlap: StreamingOverlapAdd
    n_frames: int = 0


class Stream:
    """Decodes a mel that comes in chunks of any length; the result of `Vocos.streaming`.

    Together, its samples are those of `Vocos.decode` of the whole mel: every layer keeps the frames that its next
    outputs need, and the head keeps the samples that later frames will add to. With a `look_ahead` below the full one,
    the missing future is filled with the newest frame, and the samples are only similar.

    A stream may be used by one thread at a time. Any number of streams can run next to each other; none changes the
    model. The constructor's arguments are those of `Vocos.streaming`.
    """

    def __init__(
        self,
        network: Network,
        batch_size: int = 1,
        *,
        look_ahead: int | None = None,
        low_latency: bool = False,
        bandwidth_id: int | Tensor | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self._network = network
        self._batch_size = batch_size
        self._bandwidths = bandwidth_ids(bandwidth_id, batch_size, network.config)
        self._state: _StreamState | None = None
        # Before the checks: only the layers know the full look-ahead.
        self.reset()
        full = self.full_look_ahead
        if look_ahead is None:
            look_ahead = min(LOW_LATENCY_FRAMES, full) if low_latency else full
        if not 0 <= look_ahead <= full:
            raise ValueError(f"look_ahead must be 0 to {full} frames, all that this model sees; got {look_ahead}")
        self._look_ahead = look_ahead

    @property
    def full_look_ahead(self) -> int:
        """The `look_ahead`, in frames, with which the samples equal those of the whole decode."""
        return self._full_look_ahead

    @property
    def look_ahead(self) -> int:
        """Frames after a frame that must have come in before all samples up to its middle are out.

        Samples up to there depend on no later ones. The middle of frame ``t`` is sample ``t * hop_length`` for
        ``center`` framing, ``(t + 1/2) * hop_length`` for ``same``. It is the sum of the future frames that the
        backbone's layers and the passes of a refinement see, and of the frames that overlap the samples before.
        """
        return self._look_ahead

    @property
    def latency(self) -> float:
        """Milliseconds from a frame's arrival until the samples up to its middle are out: the algorithm's own.

        `look_ahead` in time, if frames come in one by one as fast as they last. The time for computing, the time that
        a chunk of several frames takes to fill, and half a window where a mel is computed from audio are added to it.
        """
        return 1000 * self._look_ahead * self._network.hop_length / self._network.sample_rate

    def reset(self) -> None:
        """Forgets the frames so far, and starts again with the model as it is now."""
        network = self._network
        check_device(next(network.backbone.parameters()))
        self._layers = streaming_backbone(network)
        self._weight = weight = next(network.backbone.parameters())
        if self._bandwidths is not None:
            self._bandwidths = self._bandwidths.to(weight.device)
        silence = weight.new_zeros(self._batch_size, 0, dtype=torch.promote_types(weight.dtype, torch.float32))
        options, head = network.config.head, network.head
        window = cast(ISTFTHead, head).istft.window if isinstance(options, ISTFT) else None
        source = head_frames(head, options, self._batch_size)
        self._full_look_ahead = self._layers.look_ahead + source.look_ahead + overlapping_frames(options)
        self._state = _StreamState(
            layers=self._layers.start(self._batch_size),
            past=silence.new_zeros(self._batch_size, network.config.n_features, 0),
            waiting=silence.new_zeros(self._batch_size, network.config.n_features, 0),
            source=source,
            overlap=StreamingOverlapAdd(options, window, silence),
        )

    @torch.no_grad()
    def __call__(self, features: Numbers) -> Tensor:
        """Takes more frames.

        Args:
            features: ``(B, n_mels, t)``, or EnCodec features; any ``t``, also 0. Nothing changes if they are refused.

        Shape: ``(B, n)``, the samples that are ready now, float32 (float64 if the model is); ``n`` can be 0.

        Raises:
            TypeError, ValueError: see `Vocos.decode`; or the batch has another size.
            RuntimeError: the stream has ended.
        """
        state = self._running()
        features = check_shape(features, self._network.config.n_features, min_frames=0)
        if len(features) != self._batch_size:
            raise ValueError(f"this stream has batch_size={self._batch_size}, got a batch of {len(features)}")
        check_finite(features, self._weight.dtype)
        if features.shape[2] == 0:
            return state.overlap.silence
        self._advance(state, self._postfiltered(state, features.to(state.waiting)), last=False)
        # The last frame of a centred mel stands for no hop of its own, and this could be the last.
        return state.overlap.pop(min(state.overlap.n_final, self._network.config.n_samples(state.n_frames)))

    @torch.no_grad()
    def flush(self) -> Tensor:
        """Ends the stream and returns the remaining samples, ``(B, n)``. `reset` starts it again.

        Raises:
            RuntimeError: the stream has ended before.
        """
        state = self._running()
        self._advance(state, state.waiting[:, :, :0], last=True)
        self._state = None
        return state.overlap.pop(self._network.config.n_samples(state.n_frames))

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._state = None

    def _postfiltered(self, state: _StreamState, features: Tensor) -> Tensor:
        postfilter = self._network.postfilter
        if postfilter is None:
            return features
        seen = torch.cat([state.past, features], dim=2)
        state.past = seen[:, :, max(0, seen.shape[2] - postfilter.past_frames) :].clone()
        return self._network.postfiltered(seen, seen.shape[2] - features.shape[2])

    def _running(self) -> _StreamState:
        if self._state is None:
            raise RuntimeError("this stream has ended (by flush() or its `with` block); call reset() to start again")
        return self._state

    # Saves each operator some bookkeeping. `pop` runs outside of it, so that callers get ordinary tensors.
    @torch.inference_mode()
    def _advance(self, state: _StreamState, features: Tensor, *, last: bool) -> None:
        """Runs backbone and head as far as the frames allow."""
        n_before, n_real = state.n_frames - state.waiting.shape[2], features.shape[2]
        seen = torch.cat([state.waiting, features], dim=2)
        state.n_frames += n_real
        if not last:
            # The future that the look-ahead leaves out, as if the newest frame went on.
            guessed = features[:, :, -1:].expand(-1, -1, self.full_look_ahead - self._look_ahead)
            features, seen = (torch.cat([frames, guessed], dim=2) for frames in (features, seen))
        hidden, n_settled, state.layers = self._layers(
            features.to(self._weight.dtype), n_real, state.layers, self._bandwidths, last
        )
        state.waiting = seen[:, :, n_settled : state.n_frames - n_before].clone()
        # Hidden states lag behind: they belong to the oldest of the frames seen.
        frames = state.source(hidden, seen[:, :, : hidden.shape[1]], n_settled, last)
        if frames is not None:
            state.overlap.push(frames)
