"""What stands in EnCodec's place in a Bark: all three end in the same two calls of it."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from vocos_plugins import Vocos
from vocos_plugins.config import EncodecCodes
from vocos_plugins.inference.checks import bandwidth_ids
from vocos_plugins.network.encodec_encoder import read_codebooks, warn_of_other_codebooks

BARK_CODES = EncodecCodes()
N_CODEBOOKS = 8  # of Bark's fine model; 6 kb/s


class CodesMismatch(ValueError):  # noqa: N818 - as MelMismatch
    """A model that can't decode Bark's codes: says what it takes instead."""


class VocosCodec(nn.Module):
    """Decodes Bark's codes by a Vocos; in all else, encoding too, it is the EnCodec whose place it takes.

    Bark calls ``codec.quantizer.decode(codes)``, codes ``(8, B, T)`` to features ``(B, 128, T)``, and then
    ``codec.decoder(features)``, to audio ``(B, 1, T * 320)``. Its ``state_dict`` is EnCodec's, so that a Bark that is
    saved in the meantime loads anywhere.

    Args:
        vocos: an EnCodec model for 24 kHz.
        codec: EnCodec; None where it hasn't been loaded.
        bandwidth_id: what the model is told, by default the bandwidth of 8 codebooks.

    Raises:
        CodesMismatch: the model doesn't take Bark's codes.
        ValueError: it has no such bandwidth.
    """

    def __init__(self, vocos: Vocos, codec: nn.Module | None = None, *, bandwidth_id: int | None = None) -> None:
        super().__init__()
        default = find_bandwidth(vocos)
        self.vocos = vocos
        self.codec = codec
        self.bandwidth_id = default if bandwidth_id is None else bandwidth_id
        bandwidth_ids(self.bandwidth_id if self._is_conditioned else None, 1, vocos.config)
        if codec is not None:
            warn_of_other_codebooks(read_codebooks(codec), vocos.state_dict()["feature_extractor.codebook_weights"])

    @property
    def quantizer(self) -> CodesToFeatures:
        """Has ``decode``; the rest is EnCodec's."""
        return CodesToFeatures(self.vocos, getattr(self.codec, "quantizer", None))

    def decoder(self, features: Tensor) -> Tensor:
        """Features ``(B, 128, T)`` to audio ``(B, 1, T * 320)``."""
        return self.decode_features(features)[:, None]

    def decode_features(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Features ``(B, 128, T)``, of a ragged batch with their lengths ``(B,)``, to audio ``(B, T * 320)``."""
        if features.shape[-1] == 0:
            return features.new_zeros(len(features), 0)
        bandwidth_id = self.bandwidth_id if self._is_conditioned else None
        return self.vocos.decode(features, lengths=lengths, bandwidth_id=bandwidth_id)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """EnCodec's own, which encodes and decodes."""
        return self._original()(*args, **kwargs)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """EnCodec's own."""
        return self._original().state_dict(*args, **kwargs)

    @property
    def _is_conditioned(self) -> bool:
        return self.vocos.config.n_bandwidths is not None

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if "_modules" not in self.__dict__ or name in self._modules:
                raise
        return getattr(self._original(name), name)

    def _original(self, wanted: str = "forward") -> nn.Module:
        if self.codec is None:
            raise AttributeError(
                f"no EnCodec is loaded here to ask for {wanted!r}: load Bark's models before Vocos is attached"
            )
        return self.codec


class CodesToFeatures:
    """EnCodec's quantizer, which decodes by the model's own table of codebooks."""

    def __init__(self, vocos: Vocos, quantizer: Any) -> None:
        self.vocos = vocos
        self._quantizer = quantizer

    def decode(self, codes: Tensor) -> Tensor:
        """Codes ``(8, B, T)``, any integers, to features ``(B, 128, T)``."""
        return self.vocos.codes_to_features(codes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_quantizer"], name)


def find_bandwidth(vocos: Vocos) -> int:
    """The ``bandwidth_id`` that stands for Bark's 8 codebooks.

    Raises:
        CodesMismatch: the model takes mels, codes of another EnCodec, or never 8 codebooks.
    """
    codes = vocos.config.features
    if not isinstance(codes, EncodecCodes):
        raise CodesMismatch(
            f"Bark gives EnCodec codes, and this model takes mels of {codes.n_mels} bands: load an EnCodec model, "
            "such as charactr/vocos-encodec-24khz"
        )
    names = ("sample_rate", "hop_length", "codebook_size", "codebook_dim")
    other = [
        f"{name} is {getattr(codes, name)} instead of {getattr(BARK_CODES, name)}"
        for name in names
        if getattr(codes, name) != getattr(BARK_CODES, name)
    ]
    if other:
        raise CodesMismatch(f"Bark's codes are of EnCodec at 24 kHz, this model's are others: {', '.join(other)}")
    if N_CODEBOOKS not in codes.codebook_counts:
        raise CodesMismatch(
            f"Bark gives {N_CODEBOOKS} codebooks, 6 kb/s; this model takes {', '.join(map(str, codes.codebook_counts))}"
        )
    return codes.codebook_counts.index(N_CODEBOOKS)
