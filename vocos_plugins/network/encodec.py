"""Converts EnCodec codes to features. The codebooks are in the checkpoint: only encoding needs an EnCodec package."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import EncodecCodes
from ..mel.inputs import Numbers, as_tensor
from .encodec_encoder import EncodecEncoder, warn_of_other_codebooks
from .encodec_loading import EncodecError

# Toolkits also store codes as uint16 or int32.
INTEGER_DTYPES = (torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64)


class EncodecFeatures(nn.Module):
    """Sums the codebook vectors that codes select.

    Shape: codes ``(Q, T)`` or ``(Q, B, T)`` -> features ``(B, codebook_dim, T)``.

    Attributes:
        encoder: encodes audio to codes.
    """

    def __init__(self, options: EncodecCodes) -> None:
        super().__init__()
        self.options = options
        table = torch.zeros(options.n_codebooks * options.codebook_size, options.codebook_dim)
        self.codebook_weights = nn.Parameter(table, requires_grad=False)
        self.encoder = EncodecEncoder(options)
        self._compared: EncodecEncoder | None = None

    def forward(self, codes: Numbers, bandwidth_id: int | None = None) -> Tensor:
        codes = self.checked(codes, bandwidth_id).to(self.codebook_weights.device)
        # One table has all codebooks, one after the other, as in published checkpoints.
        books = torch.arange(codes.shape[0], device=codes.device) * self.options.codebook_size
        return F.embedding(codes + books[:, None, None], self.codebook_weights).sum(dim=0).transpose(1, 2)

    def encode(self, audio: Tensor, bandwidth_id: int) -> Tensor:
        """Encodes audio ``(B, N)`` to codes ``(Q, B, T)`` (`EncodecEncoder.encode`); warns if its codebooks differ."""
        if audio.shape[1] == 0:
            raise EncodecError(f"audio holds no samples: shape {tuple(audio.shape)}")
        if self._compared is not self.encoder:
            warn_of_other_codebooks(self.encoder.codebooks(), self.codebook_weights)
            self._compared = self.encoder
        return self.encoder.encode(audio.to(self.codebook_weights.device), self.options.bandwidths[bandwidth_id])

    def from_audio(self, audio: Tensor, bandwidth_ids: list[int]) -> Tensor:
        """Returns features ``(B, codebook_dim, T)`` of audio ``(B, N)``, at one bandwidth for all or one per row."""
        counts = self.options.codebook_counts
        if len(audio) == 0:
            return audio.new_zeros(0, self.options.codebook_dim, -(-audio.shape[1] // self.options.hop_length))
        # A smaller bandwidth's codes are the first ones of a larger bandwidth's.
        codes = self.encode(audio, max(bandwidth_ids, key=lambda index: counts[index]))
        if len(bandwidth_ids) == 1:
            features: Tensor = self(codes)
            return features
        return torch.cat([self(codes[: counts[index], row]) for row, index in enumerate(bandwidth_ids)])

    def checked(self, codes: Numbers, bandwidth_id: int | None) -> Tensor:
        """Returns valid codes as int64 ``(Q, B, T)``.

        Raises:
            TypeError: codes are not integers.
            ValueError: their shape, number of codebooks or values are invalid.
        """
        codes = as_tensor(codes, "codes")
        if codes.dtype not in INTEGER_DTYPES:
            raise TypeError(f"codes must be integers, got {codes.dtype}; features need no codes_to_features")
        if codes.dim() not in (2, 3):
            raise ValueError(f"codes must be (Q, T) or (Q, B, T), got shape {tuple(codes.shape)}")
        # In int64 before values are compared: torch has no minimum of unsigned integers.
        codes = codes.long() if codes.dim() == 3 else codes.long()[:, None]
        self._check_count(codes, bandwidth_id)
        # A code beyond its codebook would be an entry of the next one's. The reference decodes that without an error.
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < self.options.codebook_size:
            raise ValueError(
                f"codes must lie in 0..{self.options.codebook_size - 1}, "
                f"got values from {int(codes.min())} to {int(codes.max())}"
            )
        return codes

    def check_bandwidth(self, bandwidth_id: int) -> None:
        """Raises ValueError for a bandwidth that the model does not have."""
        if not 0 <= bandwidth_id < len(self.options.bandwidths):
            raise ValueError(f"bandwidth_id must be 0 to {len(self.options.bandwidths) - 1}, got {bandwidth_id}")

    def _check_count(self, codes: Tensor, bandwidth_id: int | None) -> None:
        counts = self.options.codebook_counts
        n_codebooks = codes.shape[0]
        if bandwidth_id is not None:
            self.check_bandwidth(bandwidth_id)
        if bandwidth_id is not None and n_codebooks != counts[bandwidth_id]:
            raise ValueError(
                f"bandwidth_id={bandwidth_id} means {self.options.bandwidths[bandwidth_id]} kb/s, "
                f"which is {counts[bandwidth_id]} codebooks; got {n_codebooks} in shape {tuple(codes.shape)}"
            )
        if n_codebooks not in counts:
            hint = "; codebooks come first: try codes.transpose(0, 1)" if codes.shape[1] in counts else ""
            raise ValueError(
                f"expected {', '.join(map(str, counts))} codebooks in the first dimension, "
                f"got shape {tuple(codes.shape)}{hint}"
            )
