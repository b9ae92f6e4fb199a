"""EnCodec codes to features. The codebooks are in the checkpoint: no EnCodec package is needed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import EncodecCodes

INTEGER_DTYPES = (torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64)


class EncodecFeatures(nn.Module):
    """Sums the codebook vectors that codes name.

    Shape: codes ``(Q, T)`` or ``(Q, B, T)`` -> features ``(B, codebook_dim, T)``.
    """

    def __init__(self, options: EncodecCodes) -> None:
        super().__init__()
        self.options = options
        table = torch.zeros(options.n_codebooks * options.codebook_size, options.codebook_dim)
        self.codebook_weights = nn.Parameter(table, requires_grad=False)

    def forward(self, codes: Tensor, bandwidth_id: int | None = None) -> Tensor:
        codes = self.checked(codes, bandwidth_id)
        books = torch.arange(codes.shape[0], device=codes.device) * self.options.codebook_size
        return F.embedding(codes + books[:, None, None], self.codebook_weights).sum(dim=0).transpose(1, 2)

    def checked(self, codes: Tensor, bandwidth_id: int | None) -> Tensor:
        """Codes as int64 ``(Q, B, T)``.

        Raises:
            TypeError: codes are not integers.
            ValueError: their shape, number of codebooks or values can't be.
        """
        if codes.dtype not in INTEGER_DTYPES:
            raise TypeError(f"codes must be integers, got {codes.dtype}; features need no codes_to_features")
        if codes.dim() not in (2, 3):
            raise ValueError(f"codes must be (Q, T) or (Q, B, T), got shape {tuple(codes.shape)}")
        codes = codes.long() if codes.dim() == 3 else codes.long()[:, None]
        self._check_count(codes, bandwidth_id)
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < self.options.codebook_size:
            raise ValueError(
                f"codes must lie in 0..{self.options.codebook_size - 1}, "
                f"got values from {int(codes.min())} to {int(codes.max())}"
            )
        return codes

    def _check_count(self, codes: Tensor, bandwidth_id: int | None) -> None:
        counts = self.options.codebook_counts
        found = codes.shape[0]
        if bandwidth_id is not None and not 0 <= bandwidth_id < len(counts):
            raise ValueError(f"bandwidth_id must be 0 to {len(counts) - 1}, got {bandwidth_id}")
        if bandwidth_id is not None and found != counts[bandwidth_id]:
            raise ValueError(
                f"bandwidth_id={bandwidth_id} means {self.options.bandwidths[bandwidth_id]} kb/s, "
                f"which is {counts[bandwidth_id]} codebooks; got {found} in shape {tuple(codes.shape)}"
            )
        if found not in counts:
            hint = "; codebooks come first: try codes.transpose(0, 1)" if codes.shape[1] in counts else ""
            raise ValueError(
                f"expected {', '.join(map(str, counts))} codebooks in the first dimension, "
                f"got shape {tuple(codes.shape)}{hint}"
            )
