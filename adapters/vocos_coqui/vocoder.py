"""Vocos as a vocoder of Coqui TTS: what ``model: vocos`` stands for in its configurations."""

# No annotations from __future__: Coqpit reads the fields' types, and can't read them as text.
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from TTS.config.shared_configs import ModelArgs
from TTS.vocoder.configs.shared_configs import BaseVocoderConfig

from vocos_plugins import MelConvention, Vocos, align
from vocos_plugins.inference.backend import Backend
from vocos_plugins.inference.frames import decode_frames
from vocos_plugins.inference.resampling import resample
from vocos_plugins.mel import MeanStdNormalization
from vocos_plugins.storage.weights import load_weights
from vocos_plugins.streaming import stream_frames
from vocos_plugins.training.schedule import Optimization

from .architecture import read_architecture
from .audio_block import unnormalized, write_audio_block
from .checkpoint import read_generator
from .mel import DEFAULT, from_coqui
from .training import TrainableVocoder

# The reference's, as the other recipes have them.
OPTIMIZATION = Optimization()
STEPS = 1_000_000


@dataclass
class VocosArgs(ModelArgs):
    """The parts of the model as a checkpoint's ``config.yaml`` has them; all empty for the paper's.

    Args:
        features: what the model takes; bridged from the ``audio`` block, which says what comes in.
        backbone, head: the networks.
        provenance: how the weights came to be.
    """

    features: dict = field(default_factory=dict)  # type: ignore[type-arg] # Coqpit reads no dict[str, Any]
    backbone: dict = field(default_factory=dict)  # type: ignore[type-arg]
    head: dict = field(default_factory=dict)  # type: ignore[type-arg]
    provenance: dict = field(default_factory=dict)  # type: ignore[type-arg]


@dataclass
class VocosVocoderConfig(BaseVocoderConfig):
    """Configuration of a `VocosVocoder`; Coqui TTS knows it as ``VocosConfig``.

    What isn't listed is Coqui TTS's: ``data_path``, ``feature_path``, ``batch_size``, ``mixed_precision`` and so on.

    Args:
        model_args: the generator.
        discriminators: their sizes, fields of `vocos_plugins.training.discriminators.Discriminators`.
        losses: what counts how much, fields of `vocos_plugins.training.schedule.LossWeights`.
        eval_measures: names of `vocos_plugins.evaluation.measures.MEASURES`, taken of each clip of an evaluation.
        seq_len: samples of a training segment, a multiple of ``audio.hop_length``.
        steps_to_start_discriminator: steps of the generator alone at first.
        target_loss: by which the best model is chosen; the mel distance, in training and in evaluation alike.
        optimizer_params: of AdamW, for both optimizers.
        grad_clip: largest norms of the gradients, of the discriminators and of the generator; 0 for no bound.
        lr_disc, lr_gen: at first.
        ema_decay: of the averaged generator that is evaluated, and that a checkpoint gives; 0 for none.
        lr_scheduler_disc, lr_scheduler_gen: of ``torch.optim.lr_scheduler``, by step; ``T_max`` is a run's steps.
    """

    model: str = "vocos"
    model_args: VocosArgs = field(default_factory=VocosArgs)
    discriminators: dict = field(default_factory=dict)  # type: ignore[type-arg]
    losses: dict = field(default_factory=dict)  # type: ignore[type-arg]
    eval_measures: list[str] = field(default_factory=lambda: ["mr-stft"])
    seq_len: int = 16384
    batch_size: int = 16
    steps_to_start_discriminator: int = 0
    target_loss: str = "G_mel"
    optimizer_params: dict = field(  # type: ignore[type-arg]
        default_factory=lambda: {"betas": list(OPTIMIZATION.betas), "weight_decay": OPTIMIZATION.weight_decay}
    )
    grad_clip: list[float] = field(default_factory=lambda: [0.0, 0.0])
    lr_disc: float = OPTIMIZATION.learning_rate
    lr_gen: float = OPTIMIZATION.learning_rate
    ema_decay: float = OPTIMIZATION.ema_decay
    lr_scheduler_disc: str = "CosineAnnealingLR"
    lr_scheduler_disc_params: dict = field(default_factory=lambda: {"T_max": STEPS})  # type: ignore[type-arg]
    lr_scheduler_gen: str = "CosineAnnealingLR"
    lr_scheduler_gen_params: dict = field(default_factory=lambda: {"T_max": STEPS})  # type: ignore[type-arg]
    scheduler_after_epoch: bool = False


class VocosVocoder(TrainableVocoder):
    """A Vocos behind a mel of Coqui TTS; Coqui TTS knows it as ``TTS.vocoder.models.vocos.Vocos``.

    Args:
        config: its ``audio`` block says which mels come in.
        vocos: decodes; by default a new one, as ``config.model_args`` say.
        source: the mels that come in, where ``config.audio`` can't say it.
        strict: refuse mels that can be converted only with a loss.

    Attributes:
        model_g: the Vocos, under the name that Coqui TTS's GANs have for their generator.
        source: the mels that come in.

    Raises:
        MelMismatch: the mels that come in can't be converted to the model's.
        ConventionError, ConfigError: ``config`` can't be read.
    """

    def __init__(
        self,
        config: VocosVocoderConfig,
        vocos: Vocos | None = None,
        *,
        source: MelConvention | None = None,
        strict: bool = False,
    ) -> None:
        super().__init__(config)
        self.source = source or from_coqui(config.audio)
        if vocos is None:
            architecture = read_architecture(config.model_args.to_dict(), self.source)
            config.model_args.update(architecture.to_dict())
            vocos = Vocos(architecture, config.model_args.provenance or {}, backend=Backend(precision="auto"))
        self.alignment = align(self.source, vocos.mel, strict=strict)
        self.strict = strict
        self.model_g = vocos

    def forward(self, input: Tensor, generator: Vocos | None = None) -> Tensor:  # noqa: A002 - Coqui TTS's name
        """Differentiable: mels ``(B, n_mels, T)`` of `source` to ``(B, 1, N)``, a hop shorter than `inference`.

        Args:
            input: the mels.
            generator: speaks instead of `model_g`, of the same sizes.
        """
        audio = (generator or self.model_g).synthesize(self.alignment(input))
        return self.alignment.trim(audio, input.shape[-1])[:, None]

    def inference(self, input: Tensor) -> Tensor:  # noqa: A002 - Coqui TTS's name
        """Mel to waveform.

        Args:
            input: ``(B, n_mels, T)``, in the convention `source`.

        Shape: ``(B, 1, T * hop_length)``, at the source's sample rate; frame ``t`` is centred on sample
        ``t * hop_length``.

        Raises:
            ValueError: this is no such mel, or holds values that are not finite.
        """
        if input.dim() != 3 or input.shape[1] != self.source.n_mels:
            raise ValueError(
                f"expected a mel (B, {self.source.n_mels}, T), got shape {tuple(input.shape)}: either the vocoder was "
                "exported for another TTS model, or this one gives no mel, as VITS and XTTS, and needs no vocoder"
            )
        audio = decode_frames(self.model_g, input, source=self.source, strict=self.strict)
        n_samples = input.shape[-1] * self.source.hop_length
        return resample(audio, self.model_g.sample_rate, self.source.sample_rate, n_samples)[:, None]

    def stream(
        self, inputs: Iterable[Tensor], *, look_ahead: int | None = None, low_latency: bool = False
    ) -> Iterator[Tensor]:
        """Vocodes mels while they are being made; together the pieces are what `inference` gives of the whole.

        Args:
            inputs: chunks ``(B, n_mels, t)`` of any lengths, one after the other, in the convention `source`.
            look_ahead, low_latency: as for `Vocos.streaming`; with less look-ahead samples come earlier.

        Yields:
            ``(B, 1, n)``, for each chunk what is ready, then the rest; ``T * hop_length`` samples in all.

        Raises:
            MelMismatch: the mels are converted with a loss, for which all of a mel is needed.
            TypeError, ValueError: as of `vocos_plugins.streaming.Stream`, when it gets there.
        """
        pieces = stream_frames(self.model_g, inputs, source=self.source, look_ahead=look_ahead, low_latency=low_latency)
        return (piece[:, None] for piece in pieces)

    def load_checkpoint(
        self,
        config: VocosVocoderConfig,
        checkpoint_path: str | Path,
        *,
        eval: bool = False,  # noqa: A002 - Coqui TTS's name
        strict: bool = True,
        cache: bool = False,
        **kwargs: Any,
    ) -> None:
        """Loads the generator; no file is unpickled into more than tensors and plain values.

        Args:
            config: the model's own; not needed.
            checkpoint_path: as `read_generator`, or an address that fsspec knows.
            eval: for inference.
            strict, cache: of Coqui TTS's; the weights have to fit always, and no copy is kept.

        Raises:
            CheckpointError: the file can't be read or trusted, or is of another model.
        """
        load_weights(self.model_g, read_generator(str(checkpoint_path)), str(checkpoint_path))
        self.train(not eval)


def wrap(vocos: Vocos, *, source: MelConvention | None = None, strict: bool = False) -> VocosVocoder:
    """The Coqui TTS model around a Vocos, as `adapt` gives it; `attach` puts one into a text-to-speech model.

    Args:
        vocos: a mel model; it is used, not copied.
        source: the mels that `VocosVocoder.inference` will get, by default coqui-ljspeech. ``config.audio`` and ``ap``
            agree with it.
        strict: refuse mels that can be converted only with a loss.

    Raises:
        MelMismatch: they can't be converted to the model's.
        ConventionError: no model of Coqui TTS gives such mels.
    """
    source = source or DEFAULT
    statistics = source.normalization
    config = VocosVocoderConfig()
    config.audio.update(
        write_audio_block(unnormalized(source) if isinstance(statistics, MeanStdNormalization) else source)
    )
    config.model_args.update({**vocos.config.to_dict(), "provenance": vocos.provenance})
    vocoder = VocosVocoder(config, vocos, source=source, strict=strict)
    if isinstance(statistics, MeanStdNormalization):
        mean, std = (np.asarray(each) for each in (statistics.mean, statistics.std))
        vocoder.ap.signal_norm = True
        vocoder.ap.setup_scaler(mean, std, np.zeros(1), np.ones(1))  # of linear spectrograms, which none are here
    return vocoder.eval()
