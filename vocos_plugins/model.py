"""The vocoder: features -> backbone -> head."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backbone import build_backbone
from .checks import bandwidth_ids, check_audio, check_finite, check_shape, frame_mask
from .config import VocosConfig
from .encodec import EncodecFeatures
from .encodec_encoder import EncodecEncoder
from .heads import ISTFTHead, build_head
from .inference.backend import Backend, BackendName, Precision, applies
from .inference.items import decode_items
from .inference.rows import decode_aligned, decode_rows
from .mel.alignment import align
from .mel.convention import MelConvention
from .mel.spectrogram import MelSpectrogram
from .streaming.stream import Stream

# Where a ragged batch is decoded a row at a time: on a CPU that is faster than computing the padding, and to the bit
# what each row gives alone. Elsewhere all rows are computed at once, with masks.
ROW_BY_ROW = ("cpu",)


class MelFeatures(nn.Module):
    """Holds the mel front end under the name that published checkpoints give it: ``(B, N)`` -> ``(B, n_mels, T)``."""

    def __init__(self, mel: MelConvention) -> None:
        super().__init__()
        self.mel_spec = MelSpectrogram(mel)

    def forward(self, audio: Tensor) -> Tensor:
        mel: Tensor = self.mel_spec(audio)
        return mel


class Vocos(nn.Module):
    """Vocos (arXiv 2306.00814): one forward pass predicts STFT coefficients, an inverse FFT makes the waveform.

    `decode` and calling the model are for inference and record no gradients; `synthesize` trains.

    Args:
        config: the architecture and what it takes in.
        provenance: how the weights came to be (data, licence, steps); stored with the checkpoint.
        backend: how a CPU decodes; by default in float32.
    """

    def __init__(
        self, config: VocosConfig, provenance: Mapping[str, Any] | None = None, *, backend: Backend | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.provenance = dict(provenance or {})
        self.feature_extractor: MelFeatures | EncodecFeatures
        if isinstance(config.features, MelConvention):
            self.feature_extractor = MelFeatures(config.features)
        else:
            self.feature_extractor = EncodecFeatures(config.features)
        self.backbone = build_backbone(config.n_features, config.backbone)
        self.head = build_head(config.backbone.dim, config.head, self.mel)
        self.backend = backend or Backend()

    @property
    def mel(self) -> MelConvention | None:
        """The mel that the model takes, None for an EnCodec model."""
        return self.config.features if isinstance(self.config.features, MelConvention) else None

    @property
    def sample_rate(self) -> int:
        """Hz of the audio."""
        return self.config.features.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples a frame."""
        return self.config.features.hop_length

    def synthesize(self, features: Tensor, bandwidth_id: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """The bare computation, differentiable and unchecked; `decode` says what it takes and gives.

        Without gradients, on a CPU, it is done as `backend` says.

        Args:
            features: ``(B, C, T)``.
            bandwidth_id: int64 ``(B, 1)`` or ``(1, 1)``.
            mask: bool ``(B, T)``, True for the frames of a ragged batch that count.
        """
        if mask is None and applies(features.device) and len(features):
            items = decode_items(self, list(features), bandwidth_id)
            return items[0][None] if len(items) == 1 else torch.stack(items)  # a copy of an hour is 300 MB
        return self.compute(features, bandwidth_id, mask)

    def compute(self, features: Tensor, bandwidth_id: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """What `synthesize` gives, by the modules whatever `backend` says."""
        if mask is not None:
            features = features.masked_fill(~mask[:, None], 0.0)
        hidden = self.backbone(features.to(next(self.backbone.parameters()).dtype), bandwidth_id, mask)
        audio: Tensor = self.head(hidden, features, mask)
        return audio

    @torch.no_grad()
    def decode(
        self,
        features: Tensor,
        *,
        lengths: Tensor | None = None,
        bandwidth_id: int | Tensor | None = None,
        source: MelConvention | None = None,
        strict: bool = False,
    ) -> Tensor:
        """Mel (or EnCodec features) to waveform.

        Args:
            features: ``(B, n_mels, T)`` in the convention `source`, or what `codes_to_features` gives.
            lengths: frames of each row of a ragged batch, ``(B,)``. A row then equals its own single decode and is 0
                past its end, whatever its padding holds.
            bandwidth_id: which of an EnCodec model's bandwidths; one for all, ``()`` or ``(1,)``, or one a row,
                ``(B,)``.
            source: the mels' convention, if it is not the model's own: they are aligned first (`mel.align`).
            strict: refuse to align what can only be aligned with a loss.

        Shape: ``(B, N)``, float32 (float64 if the model is); ``N = (T - 1) * hop_length`` for ``center`` framing and
        ``T * hop_length`` for ``same``: the framing of `source`, whose time 0 is sample 0. Mels of another rate or
        hop make ``N`` as long in seconds.

        Raises:
            MelMismatch: mels of `source` can't be aligned.
            TypeError: features are not floating point.
            ValueError: their shape is off, they are not finite, or lengths or bandwidths can't be.
        """
        if source is not None and source != self.mel:
            return decode_aligned(self, features, align(source, self.mel, strict=strict), lengths)
        check_shape(features, self.config.n_features)
        batch, _, n_frames = features.shape
        weight = next(self.backbone.parameters())
        mask = None if lengths is None else frame_mask(lengths, batch, n_frames, features.device)
        check_finite(features, weight.dtype, mask)
        bandwidths = bandwidth_ids(bandwidth_id, batch, self.config)
        # The head computes in float32 at least, and an amplitude prior reads the features themselves.
        features = features.to(weight.device, torch.promote_types(weight.dtype, torch.float32))
        if batch == 0:
            return features.new_zeros(0, self.config.n_samples(n_frames))
        bandwidths = None if bandwidths is None else bandwidths.to(weight.device)
        if mask is None:
            return self.synthesize(features, bandwidths)
        if weight.device.type in ROW_BY_ROW:
            return decode_rows(self, features, bandwidths, mask.sum(dim=1).tolist())
        return self.synthesize(features, bandwidths, mask.to(weight.device))

    def streaming(
        self,
        batch_size: int = 1,
        *,
        look_ahead: int | None = None,
        low_latency: bool = False,
        bandwidth_id: int | Tensor | None = None,
    ) -> Stream:
        """Decodes features that are still being made: a context manager that takes chunks of any length.

            with vocos.streaming() as stream:
                for chunk in chunks:  # (B, n_mels, t)
                    play(stream(chunk))
                play(stream.flush())

        Together these are the samples of `decode`. See `Stream` and docs/streaming.md.

        Args:
            batch_size: streams that go on in step.
            look_ahead: frames after a frame that are waited for before its samples come out; all that the layers see
                if None. With fewer, samples come earlier and are only similar.
            low_latency: short for a `look_ahead` of `streaming.LOW_LATENCY_FRAMES`.
            bandwidth_id: as for `decode`.

        Raises:
            ValueError: the sizes, or the bandwidths, can't be.
        """
        return Stream(self, batch_size, look_ahead=look_ahead, low_latency=low_latency, bandwidth_id=bandwidth_id)

    @torch.no_grad()
    def forward(self, audio: Tensor, *, length: int | None = None, bandwidth_id: int | Tensor | None = None) -> Tensor:
        """Copy-synthesis: the waveform's own mel, or its EnCodec codes, decoded.

        Args:
            audio: ``(B, N)`` in [-1, 1] at `sample_rate`.
            length: samples wanted. The audio is filled up with zeros for them, to a whole frame at least, so that its
                last samples are not lost and any ``N > 0`` will do.
            bandwidth_id: as for `decode`; also what an EnCodec model's audio is encoded at.

        Shape: ``(B, length)``; without `length`, ``N`` rounded to whole frames: down for mels, up for codes.

        Raises:
            TypeError: audio is not floating point.
            ValueError: it is not ``(B, N)``, too short or not finite.
            EncodecError: there is no EnCodec to encode with (`use_encodec`).
        """
        check_audio(audio)
        if isinstance(self.feature_extractor, EncodecFeatures):
            ids = bandwidth_ids(bandwidth_id, len(audio), self.config)
            indices = [len(self.feature_extractor.options.bandwidths) - 1] if ids is None else ids.flatten().tolist()
            audio = F.pad(audio, (0, max(0, (length or 0) - audio.shape[1])))
            features = self.feature_extractor.from_audio(audio, indices)
            return self.decode(features, bandwidth_id=bandwidth_id)[:, :length]
        window = self.feature_extractor.mel_spec.spectrogram.window
        if length is not None:
            audio = F.pad(audio, (0, self.filled_length(max(length, audio.shape[1])) - audio.shape[1]))
        return self.decode(self.feature_extractor(audio.to(window)), bandwidth_id=bandwidth_id)[:, :length]

    @torch.no_grad()
    def codes_to_features(self, codes: Tensor, *, bandwidth_id: int | None = None) -> Tensor:
        """EnCodec codes to what `decode` takes.

        Args:
            codes: integers, ``(Q, T)`` or ``(Q, B, T)``: codebooks first.
            bandwidth_id: if given, the number of codebooks is checked against it.

        Shape: ``(B, codebook_dim, T)``; ``B`` is 1 for ``(Q, T)``.

        Raises:
            TypeError: codes are not integers.
            ValueError: this is no EnCodec model, or the codes' shape or values can't be.
        """
        if not isinstance(self.feature_extractor, EncodecFeatures):
            raise ValueError("this model takes mel spectrograms, not EnCodec codes")
        features: Tensor = self.feature_extractor(codes, bandwidth_id)
        return features

    @torch.no_grad()
    def encode(self, audio: Tensor, *, bandwidth_id: int) -> Tensor:
        """Audio to what `codes_to_features` takes.

        Args:
            audio: ``(B, N)`` in [-1, 1] at `sample_rate`.
            bandwidth_id: which of the model's bandwidths.

        Shape: int64 ``(Q, B, T)``; ``T`` is ``N / hop_length`` rounded up.

        Raises:
            TypeError, ValueError: as of `forward`; this is no EnCodec model; or it has no such bandwidth.
        """
        check_audio(audio)
        if not isinstance(self.feature_extractor, EncodecFeatures):
            raise ValueError("this model takes mel spectrograms, not EnCodec codes: MelSpectrogram(vocos.mel)(audio)")
        self.feature_extractor.check_bandwidth(bandwidth_id)
        return self.feature_extractor.encode(audio, bandwidth_id)

    def use_encodec(self, source: str | Path | nn.Module | None) -> None:
        """Says which EnCodec encodes audio for an EnCodec model; it is loaded when it is needed, and never saved.

        Args:
            source: a directory or file with its weights, a repository of the hub, a loaded EnCodec, or None for the
                published one: see `encodec_loading.load_encodec`.

        Raises:
            ValueError: this is no EnCodec model, or a loaded EnCodec makes other codes.
        """
        if not isinstance(self.feature_extractor, EncodecFeatures):
            raise ValueError("this model takes mel spectrograms; no EnCodec is needed")
        self.feature_extractor.encoder = EncodecEncoder(self.feature_extractor.options, source)

    def set_refinement_steps(self, steps: int) -> None:
        """Chooses speed or quality: more passes of Griffin-Lim (`refinement`) mend more of the phases.

        It is part of `config`, so that `save_pretrained` keeps it.

        Raises:
            ValueError: the number is negative, or the head doesn't predict an STFT.
        """
        if not isinstance(self.head, ISTFTHead):
            raise ValueError(f"refinement_steps are passes over an STFT; a {type(self.head).__name__} has none")
        self.head.options = dataclasses.replace(self.head.options, refinement_steps=steps)
        self.config = dataclasses.replace(self.config, head=self.head.options)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        encodec: str | Path | nn.Module | None = None,
        refinement_steps: int | None = None,
        precision: Precision = "auto",
        backend: BackendName = "torch",
    ) -> Vocos:
        """Loads a bundled name, a directory, or a repository of the Hugging Face hub, ready for inference.

        Args:
            name_or_path: for instance ``vocos-mel-22khz-small``, ``runs/mine``, ``charactr/vocos-mel-24khz``.
            revision: branch, tag or commit on the hub; a known checkpoint's own card pins one.
            cache_dir, local_files_only, token: as in ``huggingface_hub.hf_hub_download``.
            encodec: for `use_encodec`.
            refinement_steps: for `set_refinement_steps`; the checkpoint's own number by default.
            precision, backend: how a CPU decodes: see `inference.backend.Backend`. Training takes no notice of them.

        Raises:
            CheckpointError: nothing there by that name, or a file that is damaged, unsafe or doesn't fit.
            ValueError: this processor can't compute in that precision, the backend isn't installed, or the head has
                no refinement.
        """
        from .pretrained import load_pretrained

        chosen = Backend(backend, precision)
        vocos = load_pretrained(
            name_or_path, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only, token=token
        )
        if refinement_steps is not None:
            vocos.set_refinement_steps(refinement_steps)
        vocos.backend = chosen
        chosen.prepare(vocos)
        if encodec is not None:
            vocos.use_encodec(encodec)
        return vocos

    def save_pretrained(self, directory: str | Path) -> None:
        """Writes ``config.yaml`` and ``model.safetensors``, which `from_pretrained` loads."""
        from .pretrained import save_pretrained

        save_pretrained(self, directory)

    def push_to_hub(self, repo_id: str, *, private: bool = False, token: str | bool | None = None) -> str:
        """Saves to a repository of the hub, made if it isn't there; gives the commit's address."""
        from .pretrained import push_to_hub

        return push_to_hub(self, repo_id, private=private, token=token)

    def filled_length(self, n_samples: int) -> int:
        """The next length of whole frames that can be mirrored at its ends, to which `forward` fills up audio."""
        n_fft = self.config.features.n_fft if isinstance(self.config.features, MelConvention) else 0
        return -(-max(n_samples, n_fft // 2 + 1) // self.hop_length) * self.hop_length
