"""`Vocos`, the class that users hold. It forwards to the rooms below and decides nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .config import VocosConfig
from .export.backend import choose_backend
from .inference.backend import Backend, BackendName, Precision
from .inference.decode import decode, encode, resynthesize, synthesize
from .inference.denoiser import Denoiser
from .inference.many import decode_many
from .mel.convention import MelConvention
from .mel.inputs import Numbers
from .network.network import Network
from .plugins.catalogue import checkpoint_cards, find_convention, find_export
from .storage.checkpoint import Checkpoint, check_size, write_checkpoint
from .storage.find import load_checkpoint
from .storage.hub import HubOptions
from .storage.publish import push_checkpoint
from .storage.safe_files import CheckpointError
from .storage.weights import load_weights
from .streaming.stream import Stream


class Vocos(Network):
    """Vocos (arXiv 2306.00814): one forward pass predicts STFT coefficients, an inverse FFT makes the waveform.

    `decode` and calling the model are for inference and record no gradients; `synthesize` is differentiable.

    Any number of threads may decode with one model at the same time, also while one calls `set_refinement_steps`. Do
    not change weights, mode or device while another thread decodes. A `streaming` object belongs to one thread.

    Args:
        config: the architecture and its features.
        provenance: how the weights came to be (data, licence, steps); stored with the checkpoint.
        backend: how a CPU decodes; in float32 by default.
    """

    def __init__(
        self, config: VocosConfig, provenance: Mapping[str, Any] | None = None, *, backend: Backend | None = None
    ) -> None:
        super().__init__(config, provenance, backend or Backend())

    def decode(
        self,
        features: Numbers,
        *,
        lengths: Tensor | None = None,
        bandwidth_id: int | Tensor | None = None,
        source: MelConvention | str | None = None,
        strict: bool = False,
    ) -> Tensor:
        """Turns a mel (or EnCodec features) into a waveform.

        Args:
            features: ``(B, n_mels, T)`` in the convention `source`, or the result of `codes_to_features`; a tensor or a
                NumPy array.
            lengths: frames of each row of a ragged batch, ``(B,)``. A row then equals its own single decode and is 0
                past its end, whatever its padding holds. Without it, a row ends before the frames at its end that hold
                only the mel's ``pad_value``, such as the one that NeMo leaves there.
            bandwidth_id: which of an EnCodec model's bandwidths; one for all, ``()`` or ``(1,)``, or one per row,
                ``(B,)``.
            source: the mels' convention, if it is not the model's own: they are aligned first (`mel.align`). Or the
                name of one that `vocos conventions` lists.
            strict: refuse a lossy alignment.

        Shape: ``(B, N)``, float32 (float64 if the model is); ``N = (T - 1) * hop_length`` for ``center`` framing and
        ``T * hop_length`` for ``same``: the framing of `source`, whose time 0 is sample 0. For mels of another rate
        or hop, ``N`` is as long in seconds.

        Raises:
            MelMismatch: mels of `source` cannot be aligned.
            TypeError: features are not floating point.
            ValueError: their shape is wrong, they are not finite, or lengths, bandwidths or the name are invalid.
        """
        source = find_convention(source) if isinstance(source, str) else source
        return decode(self, features, lengths=lengths, bandwidth_id=bandwidth_id, source=source, strict=strict)

    def decode_many(
        self,
        mels: Iterable[Numbers],
        *,
        bandwidth_id: int | None = None,
        source: MelConvention | str | None = None,
        strict: bool = False,
    ) -> list[Tensor]:
        """Turns mels of any lengths into waveforms, each as `decode` does; on a CPU, short ones together.

        Args:
            mels: each ``(n_mels, T)``, or EnCodec features ``(C, T)``.
            bandwidth_id: one for all, for an EnCodec model.
            source, strict: as for `decode`.

        Returns:
            The audio of each, ``(N,)``.

        Raises:
            MelMismatch, TypeError, ValueError: as for `decode`; the message has the position of the mel.
        """
        source = find_convention(source) if isinstance(source, str) else source
        return decode_many(self, mels, bandwidth_id=bandwidth_id, source=source, strict=strict)

    def synthesize(self, features: Tensor, bandwidth_id: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Decodes without checks, differentiably; without gradients, a CPU decodes as `backend` says.

        Args:
            features: ``(B, C, T)``.
            bandwidth_id: int64 ``(B, 1)`` or ``(1, 1)``.
            mask: bool ``(B, T)``, True for the frames of a ragged batch that count.

        Shape: ``(B, N)``, as for `decode`.
        """
        return synthesize(self, features, bandwidth_id, mask)

    def forward(self, audio: Numbers, *, length: int | None = None, bandwidth_id: int | Tensor | None = None) -> Tensor:
        """Copy-synthesis: decodes the waveform's own mel, or its EnCodec codes.

        Args:
            audio: ``(B, N)`` in [-1, 1] at `sample_rate`; a tensor or a NumPy array.
            length: samples wanted. The audio is padded with zeros for them, to a whole frame at least, so that its
                last samples are not lost and any ``N > 0`` is accepted.
            bandwidth_id: as for `decode`; also the bandwidth at which an EnCodec model's audio is encoded.

        Shape: ``(B, length)``; without `length`, ``N`` rounded to whole frames: down for mels, up for codes.

        Raises:
            TypeError: audio is not floating point.
            ValueError: it is not ``(B, N)``, too short or not finite.
            EncodecError: there is no EnCodec to encode with (`use_encodec`).
        """
        return resynthesize(self, audio, length=length, bandwidth_id=bandwidth_id)

    def encode(self, audio: Numbers, *, bandwidth_id: int) -> Tensor:
        """Encodes audio into the codes that `codes_to_features` takes.

        Args:
            audio: ``(B, N)`` in [-1, 1] at `sample_rate`.
            bandwidth_id: which of the model's bandwidths.

        Shape: int64 ``(Q, B, T)``; ``T`` is ``N / hop_length`` rounded up.

        Raises:
            TypeError, ValueError: see `forward`; or this is not an EnCodec model, or it has no such bandwidth.
        """
        return encode(self, audio, bandwidth_id)

    def denoiser(self) -> Denoiser:
        """Returns a function that removes from audio what this model adds to silence, as HiFi-GAN's users know it.

        ``vocos.denoiser()(audio, strength=0.00025)``: see `inference.denoiser.Denoiser`. The bundled models have no
        need of it: they make -104 dBFS of silence. Models without an amplitude prior may hum.

        Raises:
            ValueError: this is an EnCodec model.
        """
        return Denoiser(self)

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
            batch_size: streams that advance together.
            look_ahead: frames to wait for after a frame before its samples come out; all that the layers see if None.
                With fewer, samples come earlier and are only similar.
            low_latency: short for a `look_ahead` of `streaming.LOW_LATENCY_FRAMES`.
            bandwidth_id: as for `decode`.

        Raises:
            ValueError: the sizes or the bandwidths are invalid.
        """
        return Stream(self, batch_size, look_ahead=look_ahead, low_latency=low_latency, bandwidth_id=bandwidth_id)

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
        """Loads a bundled name, a directory, or a repository on the Hugging Face hub, ready for inference.

        What `vocos export` wrote for SpeechBrain, NeMo or Coqui TTS is loaded too, as the model inside.

        Args:
            name_or_path: for instance ``vocos-mel-22khz-small``, ``runs/mine``, ``charactr/vocos-mel-24khz``.
            revision: branch, tag or commit on the hub; a known checkpoint's own card pins one.
            cache_dir, local_files_only, token: as in ``huggingface_hub.hf_hub_download``.
            encodec: for `use_encodec`.
            refinement_steps: for `set_refinement_steps`; the checkpoint's own number by default.
            precision, backend: how a CPU decodes: see `inference.backend.Backend`. Training ignores them.

        Raises:
            CheckpointError: nothing is there by that name, or a file is damaged, unsafe or does not fit.
            ValueError: this CPU does not support that precision, the backend is not installed, or the head has no
                refinement.
        """
        chosen = choose_backend(backend, precision)
        options = HubOptions(revision, cache_dir, local_files_only, token)
        vocos = cls.from_checkpoint(load_checkpoint(name_or_path, options, checkpoint_cards, find_export))
        if refinement_steps is not None:
            vocos.set_refinement_steps(refinement_steps)
        vocos.backend = chosen
        chosen.prepare(vocos)
        if encodec is not None:
            vocos.use_encodec(encodec)
        return vocos

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> Vocos:
        """Builds a model in eval mode. The global random state stays as it was.

        Raises:
            CheckpointError: no model can be built from the configuration, or the weights do not fit it.
        """
        check_size(checkpoint)
        try:
            with torch.random.fork_rng(devices=[]):
                vocos = cls(checkpoint.config, checkpoint.provenance)
        except (ValueError, TypeError, ArithmeticError, RuntimeError, MemoryError) as error:
            reason = str(error).partition("\n")[0]
            raise CheckpointError(
                f"{checkpoint.source}: no model can be built from its configuration: {reason}"
            ) from error
        load_weights(vocos, checkpoint.weights, checkpoint.source)
        return vocos.eval()

    def to_checkpoint(self) -> Checkpoint:
        """Returns the configuration, weights and provenance as data. The tensors are the model's own, not copies."""
        return Checkpoint(self.config, self.state_dict(), self.provenance)

    def save_pretrained(self, directory: str | Path, *, half: bool = False) -> None:
        """Writes ``config.yaml`` and ``model.safetensors``, both or neither. `from_pretrained` loads them.

        Args:
            directory: made if it does not exist.
            half: store the weights as float16, in half the space; they load as float32.

        Raises:
            CheckpointError: the directory cannot be written to (its files stay as they were), a weight is beyond
                float16, or the provenance holds more than text, numbers, lists and mappings.
        """
        write_checkpoint(self.to_checkpoint(), directory, half=half)

    def push_to_hub(self, repo_id: str, *, private: bool = False, token: str | bool | None = None) -> str:
        """Saves to a repository on the Hugging Face hub, made if it does not exist, and returns the commit's URL.

        Raises:
            CheckpointError: the name is not of the form ``organisation/name``, or the hub refused.
        """
        return push_checkpoint(self.to_checkpoint(), repo_id, private=private, token=token)
