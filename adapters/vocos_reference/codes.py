"""The EnCodec extractor of ``vocos.feature_extractors``. No EnCodec is needed until audio is encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocos_plugins import config
from vocos_plugins.network import encodec

from .extractors import FeatureExtractor
from .finder import missing

MODEL = "encodec_24khz"
BITS_PER_CODE = 10
FRAMES_PER_S = 75


class Quantizer:
    """The sizes of EnCodec's quantizer."""

    bins = 1 << BITS_PER_CODE

    @staticmethod
    def get_num_quantizers_for_bandwidth(frame_rate: float, bandwidth: float) -> int:
        """Returns the codebooks of a bandwidth in kb/s."""
        return max(1, int(1000 * bandwidth // (frame_rate * BITS_PER_CODE)))


class Encodec(nn.Module):
    """The attributes of the reference's EnCodec that programs read. It has no weights: they are no part of this model.

    Attributes:
        bandwidth: kb/s at which audio is encoded.
    """

    sample_rate = config.EncodecCodes().sample_rate
    channels = 1
    frame_rate = FRAMES_PER_S
    quantizer = Quantizer()

    def __init__(self) -> None:
        super().__init__()
        self.bandwidth: float | None = None

    def set_target_bandwidth(self, bandwidth: float) -> None:
        """Sets the bandwidth in kb/s."""
        self.bandwidth = bandwidth

    def _load_from_state_dict(self, *_: Any) -> None:
        """Ignores EnCodec's weights in a checkpoint, for which a module without weights would be refused."""

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("_"):
                raise
            raise AttributeError(missing(f"EnCodec's {name}")) from None


class EncodecFeatures(encodec.EncodecFeatures, FeatureExtractor):
    """Features of EnCodec's codes of audio: ``(B, N)`` -> ``(B, 128, T)``.

    EnCodec itself is loaded when audio is encoded first, by transformers or the package ``encodec``, and its codebooks
    are taken then if no checkpoint has filled them.

    Args:
        encodec_model: ``encodec_24khz``.
        bandwidths: kb/s, counted by ``bandwidth_id``.
        train_codebooks: whether the codebooks get gradients.

    Raises:
        ValueError: another EnCodec, or bandwidths that it hasn't.
    """

    def __init__(
        self,
        encodec_model: str = MODEL,
        bandwidths: Sequence[float] = (1.5, 3.0, 6.0, 12.0),
        train_codebooks: bool = False,
    ) -> None:
        if encodec_model != MODEL:
            raise ValueError(missing(f"encodec_model={encodec_model!r} (expected {MODEL!r})"))
        num_q = Quantizer.get_num_quantizers_for_bandwidth(FRAMES_PER_S, max(bandwidths))
        super().__init__(config.EncodecCodes(bandwidths=tuple(bandwidths), n_codebooks=num_q))
        self.encodec = Encodec()
        self.num_q = num_q
        self.bandwidths = list(bandwidths)
        self.codebook_weights.requires_grad_(train_codebooks)

    def forward(  # type: ignore[override]
        self, audio: Tensor, bandwidth_id: Any = None, **_: Any
    ) -> Tensor:
        """Returns the features of audio at a bandwidth, or of codes, which are integers."""
        if not audio.is_floating_point():
            return super().forward(audio)
        if bandwidth_id is None:
            raise ValueError("The 'bandwidth_id' argument is required")
        self._fill_codebooks()
        return self.from_audio(audio, torch.as_tensor(bandwidth_id).flatten().tolist())

    @torch.no_grad()
    def get_encodec_codes(self, audio: Tensor) -> Tensor:
        """Encodes audio ``(B, N)`` at the bandwidth that ``encodec.set_target_bandwidth`` has set: ``(Q, B, T)``."""
        if self.encodec.bandwidth is None:
            raise ValueError("no bandwidth is set: call encodec.set_target_bandwidth(6.0), for instance, first")
        return self.encoder.encode(audio.to(self.codebook_weights.device), self.encodec.bandwidth)

    def sums(self, codes: Tensor) -> Tensor:
        """Sums the codebook vectors of codes ``(Q, T)`` or ``(Q, B, T)``, any number of codebooks: ``(B, 128, T)``."""
        self._fill_codebooks()
        codes = codes if codes.dim() == 3 else codes[:, None]
        books = torch.arange(len(codes), device=codes.device) * Quantizer.bins
        return F.embedding(codes + books[:, None, None], self.codebook_weights).sum(dim=0).transpose(1, 2)

    @torch.no_grad()
    def _fill_codebooks(self) -> None:
        # A table that was loaded or trained has no row of zeros.
        if not bool(self.codebook_weights[0].any()):
            books = self.encoder.codebooks()[: self.num_q]
            self.codebook_weights.copy_(books.flatten(0, 1))
