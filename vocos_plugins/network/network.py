"""The network: features -> backbone -> head, and the sizes that follow from its configuration."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..config import ISTFT, LinearPostfilter, Postfilter, VocosConfig
from ..mel.convention import MelConvention
from ..mel.decimation import Decimation
from ..mel.inputs import Numbers
from ..mel.spectrogram import MelSpectrogram
from ..spectral import has_complex
from .backbone import build_backbone
from .encodec import EncodecFeatures
from .encodec_encoder import EncodecEncoder
from .heads import ISTFTHead, build_head
from .postfilter import build_postfilter
from .real_heads import build_real_head

Engine = Callable[[Tensor, int | None], Tensor]  # features (C, T), bandwidth -> audio (N,)


class EngineSource(Protocol):
    """Chooses what computes a network on a device: `inference.backend.Backend`."""

    def engine(self, network: Network, device: torch.device, *, completely: bool = False) -> Engine:
        """Returns a function that decodes one item; ``completely`` looks for changed weights at any cost."""


class MelFeatures(nn.Module):
    """Holds the mel front end under its name in published checkpoints: ``(B, N)`` -> ``(B, n_mels, T)``.

    Args:
        mel: the convention.
        upsample: sample rate of the audio, as a multiple of the mel's.
    """

    def __init__(self, mel: MelConvention, upsample: int = 1) -> None:
        super().__init__()
        self.mel_spec = MelSpectrogram(mel)
        self.decimation = Decimation(upsample) if upsample > 1 else None

    def at_rate_of_mel(self, audio: Tensor) -> Tensor:
        """Returns the audio at the mel's sample rate."""
        return audio if self.decimation is None else self.decimation(audio)

    def forward(self, audio: Tensor) -> Tensor:
        mel: Tensor = self.mel_spec(self.at_rate_of_mel(audio))
        return mel


class Network(nn.Module):
    """Feature extractor, backbone and head of one configuration, and a postfilter if it has one.

    Everything that runs, stores or adapts a model takes a `Network`. `vocos_plugins.Vocos` adds the calls that users
    make.

    Args:
        config: the architecture and its features.
        provenance: how the weights came to be (data, licence, steps); stored with the checkpoint.
        backend: chooses how a CPU decodes.
    """

    def __init__(self, config: VocosConfig, provenance: Mapping[str, Any] | None, backend: EngineSource) -> None:
        super().__init__()
        self.config = config
        self.provenance = dict(provenance or {})
        self.feature_extractor: MelFeatures | EncodecFeatures
        if isinstance(config.features, MelConvention):
            self.feature_extractor = MelFeatures(config.features, config.upsample)
        else:
            self.feature_extractor = EncodecFeatures(config.features)
        self.backbone = build_backbone(config.n_features, config.backbone)
        self.head = build_head(config.backbone.dim, config.head, self.mel)
        self.postfilter = None if config.postfilter is None else build_postfilter(config.n_features, config.postfilter)
        self.backend = backend

    @property
    def mel(self) -> MelConvention | None:
        """The mel that the model takes; None for an EnCodec model."""
        return self.config.features if isinstance(self.config.features, MelConvention) else None

    @property
    def sample_rate(self) -> int:
        """Sample rate of the audio, Hz."""
        return self.config.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples of audio per frame."""
        return self.config.hop_length

    @property
    def context_frames(self) -> int:
        """Frames on each side of a frame that reach its samples: through backbone, refinement and overlap-add."""
        receptive_field, head = self.backbone.receptive_field, self.config.head
        if not isinstance(head, ISTFT):
            return receptive_field + 2
        # Each pass of the refinement takes the STFT of overlap-added frames, and so reaches as far again.
        return receptive_field + math.ceil(head.n_fft / head.hop_length) * (1 + head.refinement_steps)

    def compute(self, features: Tensor, bandwidth_id: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Decodes features with the modules, differentiably and without checks.

        Args:
            features: ``(B, C, T)``.
            bandwidth_id: int64 ``(B, 1)`` or ``(1, 1)``.
            mask: bool ``(B, T)``, True for the frames of a ragged batch that count.

        Shape: ``(B, N)``.
        """
        if mask is not None:
            features = features.masked_fill(~mask[:, None], 0.0)
        # The head gets the features unrounded: an amplitude prior reads them.
        hidden = self.backbone(features.to(next(self.backbone.parameters()).dtype), bandwidth_id, mask)
        head: nn.Module = self.head
        if not torch.is_grad_enabled() and not has_complex(hidden.device.type):
            head = build_real_head(head)  # a few small tables
        audio: Tensor = head(hidden, features, mask)
        return audio

    def postfiltered(self, mel: Tensor, first: int = 0) -> Tensor:
        """Returns a predicted mel, in the model's convention, as the backbone should see it.

        Args:
            mel: ``(B, n_mels, T)``.
            first: the first frame to return; frames before it may influence later ones.

        Shape: ``(B, n_mels, T - first)``, float32 at least.
        """
        if self.postfilter is None:
            return mel[:, :, first:]
        seen = max(0, first - self.postfilter.past_frames)
        filtered = self.postfilter(mel[:, :, seen:].to(torch.promote_types(mel.dtype, torch.float32)))
        result: Tensor = filtered[:, :, first - seen :]
        return result

    def filled_length(self, n_samples: int) -> int:
        """Returns the next number of samples that is whole frames and long enough to be mirrored at its ends."""
        n_fft = self.mel.n_fft * self.config.upsample if self.mel is not None else 0
        return -(-max(n_samples, n_fft // 2 + 1) // self.hop_length) * self.hop_length

    @torch.no_grad()
    def codes_to_features(self, codes: Numbers, *, bandwidth_id: int | None = None) -> Tensor:
        """Turns EnCodec codes into the features that `decode` takes.

        Args:
            codes: integers, a tensor or a NumPy array, ``(Q, T)`` or ``(Q, B, T)``: codebooks first.
            bandwidth_id: if given, the number of codebooks is checked against it.

        Shape: ``(B, codebook_dim, T)``; ``B`` is 1 for ``(Q, T)``.

        Raises:
            TypeError: codes are not integers.
            ValueError: this is not an EnCodec model, or the codes' shape or values are invalid.
        """
        if not isinstance(self.feature_extractor, EncodecFeatures):
            raise ValueError("this model takes mel spectrograms, not EnCodec codes")
        features: Tensor = self.feature_extractor(codes, bandwidth_id)
        return features

    def use_encodec(self, source: str | Path | nn.Module | None) -> None:
        """Sets the EnCodec that encodes audio for an EnCodec model. It is loaded when first needed, and never saved.

        Args:
            source: a directory or file with its weights, a repository on the Hugging Face hub, a loaded EnCodec, or
                None for the published one: see `encodec_loading.load_encodec`.

        Raises:
            ValueError: this is not an EnCodec model, or a loaded EnCodec makes other codes.
        """
        if not isinstance(self.feature_extractor, EncodecFeatures):
            raise ValueError("this model takes mel spectrograms; no EnCodec is needed")
        self.feature_extractor.encoder = EncodecEncoder(self.feature_extractor.options, source)

    def set_refinement_steps(self, steps: int) -> None:
        """Chooses between speed and quality: more passes of Griffin-Lim (`refinement`) correct more of the phases.

        The number is part of `config`, so `save_pretrained` keeps it. A thread that is decoding meanwhile finishes with
        the old or the new number.

        Raises:
            ValueError: the number is negative, or the head does not predict an STFT.
        """
        if not isinstance(self.head, ISTFTHead):
            name = type(self.head).__name__
            raise ValueError(f"refinement_steps needs an ISTFT head; {name} does not predict an STFT")
        # In both places: the head computes by its options; a backend builds its engine again if `config.head` changes.
        self.head.options = dataclasses.replace(self.head.options, refinement_steps=steps)
        self.config = dataclasses.replace(self.config, head=self.head.options)

    def set_postfilter(
        self, weight: Tensor | None, bias: Tensor | None = None, *, options: Postfilter | None = None
    ) -> None:
        """Sets or removes the postfilter of predicted mels (`training.postfilter.fit_postfilter` fits one).

        `decode`, `streaming` and exports apply it; calling the model with audio, `synthesize` and training do not,
        since they take recordings' mels. It is part of `config`, so `save_pretrained` keeps it.

        Args:
            weight: ``(n_mels, n_mels)``; None for no postfilter.
            bias: ``(n_mels,)``; 0 if None.
            options: its kind, by default `config.LinearPostfilter`. An adaptive one has no bias.

        Raises:
            ValueError: a shape is wrong, a value is not finite, the model takes EnCodec codes, or its mel is one that
                the kind does not work on.
        """
        if weight is None:
            self.postfilter, self.config = None, dataclasses.replace(self.config, postfilter=None)
            return
        n_mels = self.config.n_features
        bias = torch.zeros(n_mels) if bias is None else bias
        if weight.shape != (n_mels, n_mels) or bias.shape != (n_mels,):
            raise ValueError(
                f"expected a postfilter of {n_mels} bands, weight ({n_mels}, {n_mels}) and bias ({n_mels},), got "
                f"{tuple(weight.shape)} and {tuple(bias.shape)}"
            )
        if not (bool(torch.isfinite(weight).all()) and bool(torch.isfinite(bias).all())):
            raise ValueError("the postfilter has values that are NaN or infinite")
        self.config = dataclasses.replace(self.config, postfilter=options or LinearPostfilter())
        postfilter = build_postfilter(n_mels, options or LinearPostfilter())
        values = {"weight": weight, "bias": bias}
        postfilter.load_state_dict({name: values[name] for name in postfilter.state_dict()})
        self.postfilter = postfilter.to(next(self.backbone.parameters()).device)


def module_engine(network: Network) -> Engine:
    """Returns an engine that runs the network's own modules."""

    def run(features: Tensor, bandwidth: int | None) -> Tensor:
        ids = None if bandwidth is None else torch.tensor([[bandwidth]])
        return network.compute(features[None], ids)[0]

    return run


def engine_allowed(device: torch.device) -> bool:
    """Whether a call may run on another engine than the modules: it is on the CPU, and not trained or traced."""
    return not (
        # An engine's operators have no gradients, ignore autocast and would be missing in a traced graph.
        torch.is_grad_enabled()
        or device.type != "cpu"
        or torch.is_autocast_enabled("cpu")
        or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        or torch.compiler.is_compiling()
    )
