"""Inputs of the generator in a training step: the mel of a crop, or its EnCodec features at some bandwidth."""

from __future__ import annotations

from typing import NamedTuple, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from ..config import EncodecCodes
from ..config.mapping import ConfigError
from ..mel import MelConvention, MelSpectrogram
from ..model import Vocos
from ..network.encodec import EncodecFeatures
from ..network.encodec_encoder import EncodecEncoder
from ..network.encodec_loading import EncodecError
from ..network.network import MelFeatures
from .config import Run, TrainingConfig
from .mel_jitter import jitter_mel


class StepInput(NamedTuple):
    """A step's features ``(B, C, T)``, the audio ``(B, N)`` they represent, and a bandwidth ``(1, 1)`` or None."""

    features: Tensor
    audio: Tensor
    bandwidth_id: Tensor | None


class Inputs(Protocol):
    """Computes the generator's input from audio."""

    def train(self, vocos: Vocos, audio: Tensor, step: int) -> StepInput:
        """Returns the input of a training step; it depends only on the audio and the step."""

    def validate(self, vocos: Vocos, audio: Tensor) -> StepInput:
        """Returns the input of a validation clip."""


class MelInputs:
    """Mels in the model's convention, or, in training, in variants of it, so that one model serves a family of mels."""

    def __init__(self, mel: MelConvention, run: Run) -> None:
        self.mel = mel
        self.run = run

    def train(self, vocos: Vocos, audio: Tensor, step: int) -> StepInput:
        run = self.run
        if not run.jitter_guard and not run.jitter_framing:
            return self.validate(vocos, audio)
        # The mel is shifted against the audio, so both lose the samples that only one of them would have.
        variant, shift = jitter_mel(self.mel, _random(run, step), max_shift=run.jitter_framing)
        front_end = MelSpectrogram(variant if run.jitter_guard else self.mel).to(audio.device)
        heard = cast(MelFeatures, vocos.feature_extractor).at_rate_of_mel(audio)
        target = audio[:, : audio.shape[1] - shift * vocos.config.upsample]
        return StepInput(front_end(heard[:, shift:]), target, None)

    def validate(self, vocos: Vocos, audio: Tensor) -> StepInput:
        features: Tensor = vocos.feature_extractor(audio)
        return StepInput(features, audio, None)


class EncodecInputs:
    """Codes of a frozen EnCodec model, at a random bandwidth for each training step, as in the reference.

    EnCodec itself is not part of the module: it is neither trained nor saved.

    Args:
        codes: the codes that the generator takes.
        run: names EnCodec's weights.

    Raises:
        ConfigError: ``run.encodec`` is not set, cannot be loaded, or has codebooks of other sizes.
    """

    def __init__(self, codes: EncodecCodes, run: Run) -> None:
        if run.encodec is None:
            raise ConfigError("run.encodec is not set; to train on EnCodec codes, set it to EnCodec's weights")
        self.codes = codes
        self.run = run
        self.encoder = EncodecEncoder(codes, run.encodec)

    def codebooks(self) -> Tensor:
        """Returns the vectors of all codes, ``(n_codebooks * codebook_size, codebook_dim)``."""
        try:
            books = self.encoder.codebooks()
        except EncodecError as error:
            raise ConfigError(f"run.encodec: {error}") from error
        if len(books) < self.codes.n_codebooks:
            raise ConfigError(
                f"run.encodec: {self.run.encodec} has {len(books)} codebooks, expected {self.codes.n_codebooks}"
            )
        return books[: self.codes.n_codebooks].flatten(0, 1)

    def train(self, vocos: Vocos, audio: Tensor, step: int) -> StepInput:
        return self._encode(vocos, audio, int(_random(self.run, step).integers(len(self.codes.bandwidths))))

    def validate(self, vocos: Vocos, audio: Tensor) -> StepInput:
        # One fixed bandwidth, so that validation losses can be compared between steps.
        return self._encode(vocos, audio, len(self.codes.bandwidths) - 1)

    @torch.no_grad()
    def _encode(self, vocos: Vocos, audio: Tensor, bandwidth: int) -> StepInput:
        codes = self.encoder.encode(audio, self.codes.bandwidths[bandwidth])
        features = vocos.feature_extractor(codes, bandwidth)
        conditioned = vocos.config.n_bandwidths is not None
        return StepInput(features, audio, torch.tensor([[bandwidth]], device=audio.device) if conditioned else None)


def build_inputs(config: TrainingConfig, vocos: Vocos) -> Inputs:
    """Builds the inputs for a model's features; copies EnCodec's codebooks into an EnCodec model."""
    features = config.model.features
    if isinstance(features, MelConvention):
        return MelInputs(features, config.run)
    inputs = EncodecInputs(features, config.run)
    if isinstance(vocos.feature_extractor, EncodecFeatures):
        vocos.feature_extractor.codebook_weights.data.copy_(inputs.codebooks())
    return inputs


def _random(run: Run, step: int) -> np.random.Generator:
    # Hashed together by NumPy. Their sum would make one seed's steps another seed's later ones.
    return np.random.default_rng((run.seed, step))
