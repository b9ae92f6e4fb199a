"""Encodes audio to EnCodec codes, and checks that an EnCodec fits a model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..config import EncodecCodes
from .encodec_loading import EncodecError, load_encodec

# Relative to the codebooks' root mean square. Rounding to bfloat16 stays below; other codebooks differ by 1 and more.
CODEBOOK_TOLERANCE = 0.02


class CodebookWarning(UserWarning):
    """A warning that an EnCodec's codebooks differ from the model's: its codes decode to other sounds."""


class EncodecEncoder:
    """An EnCodec that is loaded on first use. It is not part of the model: neither saved nor trained.

    Args:
        options: the codes to produce.
        source: as for `load_encodec`, or a loaded EnCodec: transformers' ``EncodecModel``, or encodec's. A loaded one
            stays on its device; one that is loaded here moves to the audio's.

    Raises:
        EncodecError: the loaded EnCodec produces other codes.
    """

    def __init__(self, options: EncodecCodes, source: str | Path | nn.Module | None = None) -> None:
        self.options = options
        self.source = source if not isinstance(source, nn.Module) else None
        self._user_codec = source if isinstance(source, nn.Module) else None
        self._loaded: nn.Module | None = None
        if self._user_codec is not None:
            check_encodec(self._user_codec, options)

    def __deepcopy__(self, memo: dict[int, object]) -> EncodecEncoder:
        """Returns a copy that shares EnCodec, which is only read."""
        # encodec's own EnCodec cannot be deep-copied once it has been used.
        copy = EncodecEncoder(self.options, self.source if self._user_codec is None else self._user_codec)
        copy._loaded = self._loaded
        return copy

    def encode(self, audio: Tensor, bandwidth: float) -> Tensor:
        """Encodes audio ``(B, N)`` to codes, int64 ``(Q, B, T)``; ``T`` is ``N / hop_length`` rounded up.

        Args:
            audio: in [-1, 1], mono, at the codes' sample rate.
            bandwidth: kb/s.

        Raises:
            EncodecError: EnCodec can't be found or loaded, or produces other codes.
        """
        codec: Any = self._user_codec if self._user_codec is not None else self._load().to(audio.device)
        weight = next(codec.parameters())
        # Codes are nearest neighbours: a lower precision would choose other entries here and there.
        with torch.no_grad(), torch.autocast(weight.device.type, enabled=False):
            hidden = codec.encoder(audio[:, None].to(weight).contiguous())  # other strides change the last bits
            rate = () if hasattr(codec, "config") else (codec.frame_rate,)  # encodec's quantizer takes it
            codes: Tensor = codec.quantizer.encode(hidden, *rate, bandwidth)
        return codes.to(audio.device)

    def codebooks(self) -> Tensor:
        """Returns its codebooks, see `read_codebooks`.

        Raises:
            EncodecError: as raised by `encode`.
        """
        return read_codebooks(self._user_codec if self._user_codec is not None else self._load())

    def _load(self) -> nn.Module:
        if self._loaded is None:
            if self.source is None and self.options.sample_rate != EncodecCodes().sample_rate:
                raise EncodecError(
                    f"there is no default EnCodec for {self.options.sample_rate} Hz: pass one with "
                    "Vocos.from_pretrained(..., encodec=DIRECTORY), or encode elsewhere and call "
                    "decode(codes_to_features(codes), ...)"
                )
            codec = load_encodec(self.source)
            check_encodec(codec, self.options)
            self._loaded = codec
        return self._loaded


def read_codebooks(codec: nn.Module) -> Tensor:
    """Returns the codebooks of transformers' or encodec's EnCodec, ``(n_codebooks, codebook_size, codebook_dim)``.

    Raises:
        EncodecError: the module is neither of these.
    """
    quantizer: Any = getattr(codec, "quantizer", None)
    # encodec keeps its layers in `quantizer.vq`, and each `codebook` is a tensor. transformers keeps them in
    # `quantizer`, and each `codebook` is a module with a tensor `embed`.
    layers = getattr(getattr(quantizer, "vq", quantizer), "layers", ())
    books = [getattr(layer.codebook, "embed", layer.codebook) for layer in layers if hasattr(layer, "codebook")]
    if not books or not all(isinstance(book, Tensor) and book.dim() == 2 for book in books):
        raise EncodecError(f"expected the EnCodec of transformers or of encodec, got {type(codec).__name__}")
    return torch.stack(books)


def check_encodec(codec: nn.Module, options: EncodecCodes) -> None:
    """Raises EncodecError for an EnCodec whose codes are not those that ``options`` describes."""
    books = tuple(read_codebooks(codec).shape)
    settings: Any = getattr(codec, "config", None)
    if settings is not None:
        sample_rate, channels = settings.sampling_rate, settings.audio_channels
        hop_length, in_segments = settings.hop_length, settings.normalize or settings.chunk_length is not None
    else:
        own: Any = codec
        sample_rate, channels, hop_length = own.sample_rate, own.channels, own.encoder.hop_length
        in_segments = own.normalize or own.segment is not None
    actual = {"sample_rate": sample_rate, "hop_length": hop_length, "codebook_size": books[1], "codebook_dim": books[2]}
    problems = [
        f"{name} is {value}, expected {getattr(options, name)}"
        for name, value in actual.items()
        if value != getattr(options, name)
    ]
    # The published 48 kHz model is all of this: stereo, normalized, and cut into segments.
    if channels != 1:
        problems.append(f"it takes {channels} channels of audio, expected 1")
    if in_segments:
        problems.append("it normalizes audio in segments, which codes do not record")
    if books[0] < max(options.codebook_counts):
        problems.append(f"it has {books[0]} codebooks, expected {max(options.codebook_counts)}")
    if problems:
        raise EncodecError(f"this EnCodec does not produce the model's codes: {'; '.join(problems)}")


def warn_of_other_codebooks(books: Tensor, table: Tensor) -> None:
    """Warns (`CodebookWarning`) if an EnCodec's codebooks are not the model's own.

    Args:
        books: the result of `read_codebooks`; only those that both have are compared.
        table: the model's, ``(n_codebooks * codebook_size, codebook_dim)``.
    """
    own = table[: books.shape[0] * books.shape[1]].float()
    theirs = books.flatten(0, 1)[: len(own)].to(own)
    distance = float((theirs - own).square().mean().sqrt() / own.square().mean().sqrt().clamp_min(1e-30))
    if distance > CODEBOOK_TOLERANCE:
        warnings.warn(
            f"EnCodec's codebooks are not the model's own: they differ by {distance:.2g} of their root mean square. "
            "Its codes decode to other sounds here; use the EnCodec that the model was trained with",
            CodebookWarning,
            stacklevel=2,
        )
