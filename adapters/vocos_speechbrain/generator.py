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
from vocos_plugins.inference.checks import frame_mask
from vocos_plugins.inference.frames import decode_frames
from vocos_plugins.inference.resampling import resample
from vocos_plugins.storage.safe_files import read_weights
from vocos_plugins.storage.weights import load_weights

SOURCES: dict[str, type[MelConvention]] = {"mel": MelConvention}
PREFIX = "vocos."


class VocosGenerator(nn.Module):
    """Vocos with the interface of ``HifiganGenerator`` (``speechbrain/lobes/models/HifiGAN.py``).

    ``T`` frames become ``T * hop_length`` samples at the rate of the mels, frame ``t`` at sample ``t * hop_length``:
    SpeechBrain's masks, crops and audio files count on both. HiFi-GAN's own ``inference`` begins five frames late.

    Args:
        vocos: a mel model, or the configuration of one as `VocosConfig.to_dict` gives it.
        source: convention of the mels that come in, or its fields and ``kind: mel``; None for the model's own.
        strict: refuse a source that can be aligned only with a loss.

    Attributes:
        sample_rate, hop_length, n_mels: of the source. Audio of a model at another rate is resampled.

    Raises:
        MelMismatch: mels of the source can't be aligned with the model's.
        ConfigError: the configuration, or the source's fields, are of no model or mel.
        ValueError: the model is conditioned on a bandwidth, which no mel has.
    """

    # SpeechBrain's option `jit` scripts each module whole. This one then stays the Python that it is.
    __jit_ignored_attributes__ = ("vocos", "source")

    def __init__(
        self,
        vocos: Vocos | Mapping[str, Any],
        source: MelConvention | Mapping[str, Any] | None = None,
        strict: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(vocos, Vocos):
            vocos = Vocos(VocosConfig.from_dict(vocos), backend=Backend(precision="auto"))
        self.vocos = vocos
        given = read_part(source, SOURCES, "source") if isinstance(source, Mapping) else source
        self.source = align(given or self.vocos.mel, self.vocos.mel, strict=strict).source
        if self.vocos.config.n_bandwidths is not None:
            raise ValueError("this model is conditioned on a bandwidth, and SpeechBrain's vocoders are given none")
        self.sample_rate = self.source.sample_rate
        self.hop_length = self.source.hop_length
        self.n_mels = self.source.n_mels

    @torch.jit.ignore
    def forward(self, mel: Tensor) -> Tensor:
        """What recipes train: ``(B, n_mels, T)`` to ``(B, 1, T * hop_length)``, differentiable and unchecked.

        Raises:
            ValueError: the model's sample rate isn't the mels'.
        """
        if self.vocos.sample_rate != self.sample_rate:
            raise ValueError(
                f"a model of {self.vocos.sample_rate} Hz can't be trained on mels of {self.sample_rate} Hz; "
                f"start from one of {self.sample_rate} Hz"
            )
        held = torch.cat([mel, mel[..., -1:]], dim=-1) if self.source.framing == "center" else mel
        alignment = align(self.source, self.vocos.mel)
        return alignment.trim(self.vocos.synthesize(alignment(held)), held.shape[-1])[:, None]

    @torch.no_grad()
    def decode(self, mel: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Mel to waveform, checked: ``(B, n_mels, T)`` to ``(B, T * hop_length)``.

        Args:
            mel: in the convention `source`.
            lengths: frames of each row of a ragged batch, ``(B,)``; a row equals its own single decode, and is 0 past
                its end.

        Raises:
            TypeError, ValueError: as of `Vocos.decode`.
        """
        audio = decode_frames(self.vocos, mel, lengths=lengths, source=self.source)
        n_samples = mel.shape[-1] * self.hop_length
        audio = resample(audio, self.vocos.sample_rate, self.sample_rate, n_samples)
        if lengths is None or self.vocos.sample_rate == self.sample_rate:
            return audio
        mask = frame_mask(lengths, len(mel), mel.shape[-1], audio.device)
        return audio.masked_fill(~mask.repeat_interleave(self.hop_length, dim=1), 0.0)

    def inference(self, mel: Tensor, padding: bool = True) -> Tensor:
        """What ``HIFIGAN`` calls: ``(B, n_mels, T)`` to ``(B, 1, N)``, or ``(n_mels, T)`` to ``(1, N)``.

        ``padding`` is ``HifiganGenerator``'s, and has no meaning here.
        """
        return self.decode(mel[None]) if mel.dim() == 2 else self.decode(mel)[:, None]

    def remove_weight_norm(self) -> None:
        """Nothing. ``HIFIGAN`` calls it before it decodes first; the weight norm of a ResNet backbone does no harm."""


def load_checkpoint(generator: VocosGenerator, path: str | Path) -> None:
    """Loads ``generator.ckpt`` strictly; a hook for SpeechBrain's ``Pretrainer``, which else only logs what is missing.

    Args:
        generator: takes the tensors.
        path: of a state dict of it, as SpeechBrain's checkpointer saves it, or of a Vocos model.

    Raises:
        CheckpointError: the file is missing, damaged or unsafe, or doesn't fit.
    """
    weights = {key.removeprefix(PREFIX): value for key, value in read_weights(Path(path)).items()}
    load_weights(generator.vocos, weights, str(path))
