"""Audio to EnCodec codes, and whether an EnCodec is the one whose codes a model takes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..config import EncodecCodes
from .encodec_loading import EncodecError, load_encodec

# Relative to the codebooks' root mean square. Rounding to bfloat16 stays below; other codebooks are at 1 and more.
CODEBOOK_TOLERANCE = 0.02


class CodebookWarning(UserWarning):
    """An EnCodec's codebooks are not the model's: its codes name other vectors there."""


class EncodecEncoder:
    """Encodes with an EnCodec that is loaded when it is first needed. No part of the model: neither saved nor trained.

    Args:
        options: the codes that are wanted.
        source: what `load_encodec` takes, or a loaded EnCodec: transformers' ``EncodecModel``, or encodec's. One that
            is loaded stays on its device; one that is loaded here follows the audio.

    Raises:
        EncodecError: a loaded EnCodec makes other codes.
    """

    def __init__(self, options: EncodecCodes, source: str | Path | nn.Module | None = None) -> None:
        self.options = options
        self.source = source if not isinstance(source, nn.Module) else None
        self._given = source if isinstance(source, nn.Module) else None
        self._loaded: nn.Module | None = None
        if self._given is not None:
            check_encodec(self._given, options)

    def __deepcopy__(self, memo: dict[int, object]) -> EncodecEncoder:
        """EnCodec is only read: copies share it."""
        copy = EncodecEncoder(self.options, self.source if self._given is None else self._given)
        copy._loaded = self._loaded
        return copy

    def encode(self, audio: Tensor, bandwidth: float) -> Tensor:
        """Codes, int64 ``(Q, B, T)``, of audio ``(B, N)``; ``T`` is ``N / hop_length`` rounded up.

        Args:
            audio: in [-1, 1], mono, at the codes' sample rate.
            bandwidth: kb/s.

        Raises:
            EncodecError: EnCodec can't be found or loaded, or makes other codes.
        """
        codec: Any = self._given if self._given is not None else self._load().to(audio.device)
        weight = next(codec.parameters())
        with torch.no_grad(), torch.autocast(weight.device.type, enabled=False):
            hidden = codec.encoder(audio[:, None].to(weight).contiguous())  # strides would reach the last bits
            rate = () if hasattr(codec, "config") else (codec.frame_rate,)  # encodec's quantizer wants to be told
            codes: Tensor = codec.quantizer.encode(hidden, *rate, bandwidth)
        return codes.to(audio.device)

    def codebooks(self) -> Tensor:
        """Its codebooks, as `read_codebooks` gives them.

        Raises:
            EncodecError: as of `encode`.
        """
        return read_codebooks(self._given if self._given is not None else self._load())

    def _load(self) -> nn.Module:
        if self._loaded is None:
            if self.source is None and self.options.sample_rate != EncodecCodes().sample_rate:
                raise EncodecError(
                    f"no EnCodec is known that makes codes of {self.options.sample_rate} Hz: name one, "
                    "Vocos.from_pretrained(..., encodec=DIRECTORY), or encode by other means: "
                    "decode(codes_to_features(codes), ...)"
                )
            codec = load_encodec(self.source)
            check_encodec(codec, self.options)
            self._loaded = codec
        return self._loaded


def read_codebooks(codec: nn.Module) -> Tensor:
    """The codebooks of an EnCodec, ``(n_codebooks, codebook_size, codebook_dim)``: transformers' or encodec's.

    Raises:
        EncodecError: it is neither.
    """
    quantizer: Any = getattr(codec, "quantizer", None)
    layers = getattr(getattr(quantizer, "vq", quantizer), "layers", ())
    books = [getattr(layer.codebook, "embed", layer.codebook) for layer in layers if hasattr(layer, "codebook")]
    if not books or not all(isinstance(book, Tensor) and book.dim() == 2 for book in books):
        raise EncodecError(f"expected the EnCodec of transformers or of encodec, got {type(codec).__name__}")
    return torch.stack(books)


def check_encodec(codec: nn.Module, options: EncodecCodes) -> None:
    """Raises EncodecError for an EnCodec that makes other codes than `options` says."""
    books = tuple(read_codebooks(codec).shape)
    settings: Any = getattr(codec, "config", None)
    if settings is not None:
        sample_rate, channels = settings.sampling_rate, settings.audio_channels
        hop_length, in_pieces = settings.hop_length, settings.normalize or settings.chunk_length is not None
    else:
        own: Any = codec
        sample_rate, channels, hop_length = own.sample_rate, own.channels, own.encoder.hop_length
        in_pieces = own.normalize or own.segment is not None
    found = {"sample_rate": sample_rate, "hop_length": hop_length, "codebook_size": books[1], "codebook_dim": books[2]}
    problems = [
        f"{name} is {value}, expected {getattr(options, name)}"
        for name, value in found.items()
        if value != getattr(options, name)
    ]
    if channels != 1:
        problems.append(f"it takes {channels} channels of audio, expected 1")
    if in_pieces:
        problems.append("it scales audio piece by piece, which codes alone don't tell")
    if books[0] < max(options.codebook_counts):
        problems.append(f"it has {books[0]} codebooks, expected {max(options.codebook_counts)}")
    if problems:
        raise EncodecError(f"this EnCodec makes other codes than the model takes: {'; '.join(problems)}")


def warn_of_other_codebooks(books: Tensor, table: Tensor) -> None:
    """Warns (`CodebookWarning`) if an EnCodec's codebooks are not the model's own.

    Args:
        books: as `read_codebooks` gives them; as many are compared as both have.
        table: the model's, ``(n_codebooks * codebook_size, codebook_dim)``.
    """
    own = table[: books.shape[0] * books.shape[1]].float()
    theirs = books.flatten(0, 1)[: len(own)].to(own)
    distance = float((theirs - own).square().mean().sqrt() / own.square().mean().sqrt().clamp_min(1e-30))
    if distance > CODEBOOK_TOLERANCE:
        warnings.warn(
            f"EnCodec's codebooks are not the model's own: they differ by {distance:.2g} of its root mean square. "
            "Its codes name other sounds there; use the EnCodec that the model was trained with",
            CodebookWarning,
            stacklevel=2,
        )
