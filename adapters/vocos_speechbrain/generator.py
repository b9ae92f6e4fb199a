"""The generator that an exported ``hyperparams.yaml`` names. It imports no SpeechBrain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vocos_plugins import MelConvention, Vocos, align
from vocos_plugins.config import VocosConfig
from vocos_plugins.config.mapping import read_part
from vocos_plugins.inference.backend import Backend
from vocos_plugins.inference.frames import decode_in_step, synthesize_frames
from vocos_plugins.storage.safe_files import read_weights
from vocos_plugins.storage.weights import load_weights

SOURCES: dict[str, type[MelConvention]] = {"mel": MelConvention}
PREFIX = "vocos."


class VocosGenerator(nn.Module):
    """Vocos with the interface of ``HifiganGenerator`` (``speechbrain/lobes/models/HifiGAN.py``).

    ``T`` frames become ``T * hop_length`` samples at the rate of the mels, frame ``t`` at sample ``t * hop_length``:
    SpeechBrain's masks, crops and audio files rely on both. HiFi-GAN's own ``inference`` starts five frames late.

    Args:
        vocos: a mel model, or the configuration of one, as returned by `VocosConfig.to_dict`.
        source: convention of the input mels, or its fields and ``kind: mel``; None for the model's own.
        strict: refuse a source that can only be aligned lossily.
        provenance: of a model that is given by its configuration; its certificate allows 8 bits.

    Attributes:
        sample_rate, hop_length, n_mels: those of the source. Audio is resampled if the model has another rate.

    Raises:
        MelMismatch: mels of the source can't be aligned with the model's.
        ConfigError: the configuration or the source's fields are invalid.
        ValueError: the model is conditioned on a bandwidth, which a mel doesn't carry.
    """

    # SpeechBrain's option `jit` scripts whole modules. TorchScript can't compile these two, so this one stays Python.
    __jit_ignored_attributes__ = ("vocos", "source")

    def __init__(
        self,
        vocos: Vocos | Mapping[str, Any],
        source: MelConvention | Mapping[str, Any] | None = None,
        strict: bool = False,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(vocos, Vocos):
            vocos = Vocos(VocosConfig.from_dict(vocos), provenance, backend=Backend(precision="auto"))
        self.vocos = vocos
        convention = read_part(source, SOURCES, "source") if isinstance(source, Mapping) else source
        self.source = align(convention or self.vocos.mel, self.vocos.mel, strict=strict).source
        if self.vocos.config.n_bandwidths is not None:
            raise ValueError("this model is conditioned on a bandwidth, which SpeechBrain doesn't pass to vocoders")
        self.sample_rate = self.source.sample_rate
        self.hop_length = self.source.hop_length
        self.n_mels = self.source.n_mels

    @torch.jit.ignore
    def forward(self, mel: Tensor) -> Tensor:
        """Synthesizes differentiably for training, without checks: ``(B, n_mels, T)`` to ``(B, 1, T * hop_length)``.

        Raises:
            ValueError: the model and the mels have different sample rates.
        """
        if self.vocos.sample_rate != self.sample_rate:
            raise ValueError(
                f"a model of {self.vocos.sample_rate} Hz can't be trained on mels of {self.sample_rate} Hz; "
                f"start from one of {self.sample_rate} Hz"
            )
        return synthesize_frames(self.vocos, mel, align(self.source, self.vocos.mel))[:, None]

    # Not inference_mode: HIFIGAN mutes padding in place, which inference tensors refuse (1.1.2, inference/vocoders.py).
    @torch.no_grad()
    def decode(self, mel: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Decodes mels to waveforms, with checks: ``(B, n_mels, T)`` to ``(B, T * hop_length)``.

        Args:
            mel: in the convention `source`.
            lengths: frames of each row of a ragged batch, ``(B,)``; each row equals its own single decode, and is 0
                past its end.

        Raises:
            TypeError, ValueError: as raised by `Vocos.decode`.
        """
        return decode_in_step(self.vocos, mel, lengths=lengths, source=self.source)

    def inference(self, mel: Tensor, padding: bool = True) -> Tensor:
        """Decodes as ``HIFIGAN`` expects: ``(B, n_mels, T)`` to ``(B, 1, N)``, ``(n_mels, T)`` to ``(1, N)``.

        ``padding`` is an argument of ``HifiganGenerator`` and is ignored.
        """
        # MSTacotron2's recipe passes a single mel without a batch dimension.
        return self.decode(mel[None]) if mel.dim() == 2 else self.decode(mel)[:, None]

    def remove_weight_norm(self) -> None:
        """Does nothing. ``HIFIGAN`` calls it before it first decodes; a ResNet backbone's weight norm is harmless."""


def load_checkpoint(generator: VocosGenerator, path: str | Path) -> None:
    """Loads ``generator.ckpt`` strictly; a hook for SpeechBrain's ``Pretrainer``, which only logs missing keys.

    Args:
        generator: receives the weights.
        path: a state dict of the generator, as SpeechBrain's checkpointer saves it, or of a Vocos model.

    Raises:
        CheckpointError: the file is missing, damaged or unsafe, or doesn't fit the model.
    """
    weights = {key.removeprefix(PREFIX): value for key, value in read_weights(Path(path)).items()}
    load_weights(generator.vocos, weights, str(path))
