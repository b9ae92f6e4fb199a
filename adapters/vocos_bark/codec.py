"""The codec that takes EnCodec's place in a Bark: all three Barks end in the same two calls of it."""

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
    """The model can't decode Bark's codes; the message says what it takes instead."""


class VocosCodec(nn.Module):
    """A codec that decodes Bark's codes with a Vocos, and leaves all else, encoding included, to EnCodec.

    Bark calls ``codec.quantizer.decode(codes)``, codes ``(8, B, T)`` to features ``(B, 128, T)``, and then
    ``codec.decoder(features)``, to audio ``(B, 1, T * 320)``. Its ``state_dict`` is EnCodec's, so that a Bark that is
    saved meanwhile loads anywhere.

    Args:
        vocos: an EnCodec model for 24 kHz.
        codec: the EnCodec that it replaces; None if none has been loaded.
        bandwidth_id: condition of the model, by default the bandwidth of 8 codebooks.

    Raises:
        CodesMismatch: the model doesn't take Bark's codes.
        ValueError: the model has no such bandwidth.
    """

    def __init__(self, vocos: Vocos, codec: nn.Module | None = None, *, bandwidth_id: int | None = None) -> None:
        super().__init__()
        default = find_bandwidth(vocos)
        self.vocos = vocos
        self.codec = codec
        self.bandwidth_id = default if bandwidth_id is None else bandwidth_id
        # Called for its check only: a wrong id is refused here, not when Bark speaks.
        bandwidth_ids(self.bandwidth_id if self._is_conditioned else None, 1, vocos.config)
        if codec is not None:
            warn_of_other_codebooks(read_codebooks(codec), vocos.state_dict()["feature_extractor.codebook_weights"])

    @property
    def quantizer(self) -> CodesToFeatures:
        """A quantizer with Vocos's ``decode``; the rest is EnCodec's."""
        return CodesToFeatures(self.vocos, getattr(self.codec, "quantizer", None))

    def decoder(self, features: Tensor) -> Tensor:
        """Decodes features ``(B, 128, T)`` to audio ``(B, 1, T * 320)``."""
        return self.decode_features(features)[:, None]

    def decode_features(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Decodes features ``(B, 128, T)``, with ``lengths`` ``(B,)`` if ragged, to audio ``(B, T * 320)``."""
        # A text may end at once; Vocos itself needs at least one frame.
        if features.shape[-1] == 0:
            return features.new_zeros(len(features), 0)
        bandwidth_id = self.bandwidth_id if self._is_conditioned else None
        return self.vocos.decode(features, lengths=lengths, bandwidth_id=bandwidth_id)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Calls EnCodec, which encodes and decodes."""
        return self._original()(*args, **kwargs)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Returns EnCodec's state dict."""
        return self._original().state_dict(*args, **kwargs)

    @property
    def _is_conditioned(self) -> bool:
        return self.vocos.config.n_bandwidths is not None

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            # While this object is copied or unpickled it has no modules yet: to look for the codec would recurse.
            if "_modules" not in self.__dict__ or name in self._modules:
                raise
        return getattr(self._original(name), name)

    def _original(self, name: str = "forward") -> nn.Module:
        if self.codec is None:
            raise AttributeError(
                f"{name!r} is EnCodec's, and no EnCodec is loaded here: load Bark's models before attaching Vocos"
            )
        return self.codec


class CodesToFeatures:
    """EnCodec's quantizer, except that it decodes with the model's own table of codebooks."""

    def __init__(self, vocos: Vocos, quantizer: Any) -> None:
        self.vocos = vocos
        self._quantizer = quantizer

    def decode(self, codes: Tensor) -> Tensor:
        """Turns codes ``(8, B, T)`` of any integer type into features ``(B, 128, T)``."""
        # Vocos was trained on its own table of codebooks, which need not be that of the loaded EnCodec.
        return self.vocos.codes_to_features(codes)

    def __getattr__(self, name: str) -> Any:
        # Not self._quantizer: while this object is unpickled there is none, and the look-up would recurse.
        return getattr(self.__dict__["_quantizer"], name)


def find_bandwidth(vocos: Vocos) -> int:
    """Returns the ``bandwidth_id`` of Bark's 8 codebooks.

    Raises:
        CodesMismatch: the model takes mels, codes of another EnCodec, or never 8 codebooks.
    """
    codes = vocos.config.features
    if not isinstance(codes, EncodecCodes):
        raise CodesMismatch(
            f"Bark outputs EnCodec codes, but this model takes mels of {codes.n_mels} bands: load an EnCodec model, "
            "such as charactr/vocos-encodec-24khz"
        )
    names = ("sample_rate", "hop_length", "codebook_size", "codebook_dim")
    differences = [
        f"{name} is {getattr(codes, name)} instead of {getattr(BARK_CODES, name)}"
        for name in names
        if getattr(codes, name) != getattr(BARK_CODES, name)
    ]
    if differences:
        raise CodesMismatch(f"Bark's codes are EnCodec's at 24 kHz, this model's differ: {', '.join(differences)}")
    if N_CODEBOOKS not in codes.codebook_counts:
        raise CodesMismatch(
            f"Bark outputs {N_CODEBOOKS} codebooks (6 kb/s); "
            f"this model takes {', '.join(map(str, codes.codebook_counts))}"
        )
    return codes.codebook_counts.index(N_CODEBOOKS)
