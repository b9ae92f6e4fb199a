"""Vocos as a vocoder of Coqui TTS: the model and configuration behind ``model: vocos``."""

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
from vocos_plugins.inference.frames import decode_in_step
from vocos_plugins.mel import MeanStdNormalization
from vocos_plugins.storage.weights import load_weights
from vocos_plugins.streaming import stream_frames
from vocos_plugins.training.schedule import Optimization

from .architecture import read_architecture
from .audio_block import unnormalized, write_audio_block
from .checkpoint import read_generator
from .mel import DEFAULT, from_coqui
from .training import TrainableVocoder

# The reference's values, as in the other recipes.
OPTIMIZATION = Optimization()
STEPS = 1_000_000


@dataclass
class VocosArgs(ModelArgs):
    """The architecture as in a checkpoint's ``config.yaml``; all fields empty for the paper's.

    Args:
        features: the model's own mel; mels of the ``audio`` block are converted to it.
        backbone, head: the networks.
        postfilter: of predicted mels; empty for none.
        provenance: origin of the weights.
    """

    features: dict = field(default_factory=dict)  # type: ignore[type-arg] # Coqpit reads no dict[str, Any]
    backbone: dict = field(default_factory=dict)  # type: ignore[type-arg]
    head: dict = field(default_factory=dict)  # type: ignore[type-arg]
    postfilter: dict = field(default_factory=dict)  # type: ignore[type-arg]
    provenance: dict = field(default_factory=dict)  # type: ignore[type-arg]


@dataclass
class VocosVocoderConfig(BaseVocoderConfig):
    """Configuration of a `VocosVocoder`; Coqui TTS knows it as ``VocosConfig``.

    All other fields are Coqui TTS's: ``data_path``, ``feature_path``, ``batch_size``, ``mixed_precision`` and so on.

    Args:
        model_args: the generator.
        discriminators: their sizes, fields of `vocos_plugins.training.discriminator_sizes.Discriminators`.
        losses: weights of the losses, fields of `vocos_plugins.training.schedule.LossWeights`.
        eval_measures: names in `vocos_plugins.evaluation.measures.MEASURES`, computed for each clip of an evaluation.
        seq_len: samples of a training segment, a multiple of ``audio.hop_length``.
        steps_to_start_discriminator: number of first steps in which the generator is trained alone.
        target_loss: loss by which the best model is chosen; the mel distance, in training and in evaluation alike.
        optimizer_params: arguments of AdamW, for both optimizers.
        grad_clip: largest gradient norms of the discriminators and of the generator; 0 for no limit.
        lr_disc, lr_gen: initial learning rates.
        ema_decay: decay of the averaged generator, which is evaluated and read from checkpoints; 0 for none.
        lr_scheduler_disc, lr_scheduler_gen: in ``torch.optim.lr_scheduler``, per step; ``T_max`` is a run's steps.
    """

    model: str = "vocos"
    model_args: VocosArgs = field(default_factory=VocosArgs)
    discriminators: dict = field(default_factory=dict)  # type: ignore[type-arg]
    losses: dict = field(default_factory=dict)  # type: ignore[type-arg]
    eval_measures: list[str] = field(default_factory=lambda: ["mr-stft"])
    # The inherited 1000 is no multiple of a usual hop.
    seq_len: int = 16384
    batch_size: int = 16
    steps_to_start_discriminator: int = 0
    # Coqui TTS's own default, loss_0, is the loss of the discriminators.
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
    """A Vocos that takes mels of Coqui TTS; Coqui TTS knows it as ``TTS.vocoder.models.vocos.Vocos``.

    Args:
        config: its ``audio`` block describes the input mels.
        vocos: the model that decodes; by default a new one from ``config.model_args``.
        source: convention of the input mels, if ``config.audio`` can't express it.
        strict: refuse mels that can only be converted lossily.

    Attributes:
        model_g: the Vocos, under the name of the generator in Coqui TTS's GANs.
        source: convention of the input mels.

    Raises:
        MelMismatch: the input mels can't be converted to the model's.
        ConventionError, ConfigError: ``config`` is invalid.
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
            # Written back, so that a saved configuration doesn't depend on the defaults of this version.
            architecture = read_architecture(config.model_args.to_dict(), self.source)
            config.model_args.update(architecture.to_dict())
            vocos = Vocos(architecture, config.model_args.provenance or {}, backend=Backend(precision="auto"))
        self.alignment = align(self.source, vocos.mel, strict=strict, upsample=vocos.config.upsample)
        self.strict = strict
        self.model_g = vocos

    def forward(self, input: Tensor, generator: Vocos | None = None) -> Tensor:  # noqa: A002 - Coqui TTS's name
        """Synthesizes differentiably: mels ``(B, n_mels, T)`` to ``(B, 1, N)``, a hop shorter than `inference`.

        Args:
            input: the mels, in the convention `source`.
            generator: used instead of `model_g`; of the same sizes.
        """
        audio = (generator or self.model_g).synthesize(self.alignment(input))
        return self.alignment.trim(audio, input.shape[-1])[:, None]

    def inference(self, input: Tensor) -> Tensor:  # noqa: A002 - Coqui TTS's name
        """Decodes mels to waveforms.

        Args:
            input: ``(B, n_mels, T)``, in the convention `source`.

        Shape: ``(B, 1, T * hop_length)``, at the source's sample rate; frame ``t`` is centred on sample
        ``t * hop_length``.

        Raises:
            ValueError: the input isn't such a mel, or holds values that are not finite.
        """
        # Coqui TTS passes on whatever a TTS model outputs, for example a waveform, without a check.
        if input.dim() != 3 or input.shape[1] != self.source.n_mels:
            raise ValueError(
                f"expected a mel (B, {self.source.n_mels}, T), got shape {tuple(input.shape)}: either the vocoder was "
                "exported for another TTS model, or this one outputs no mel, like VITS and XTTS, and needs no vocoder"
            )
        # Without gradients: Synthesizer converts the result to NumPy as it is (TTS/utils/synthesizer.py).
        return decode_in_step(self.model_g, input, source=self.source, strict=self.strict)[:, None]

    def stream(
        self, inputs: Iterable[Tensor], *, look_ahead: int | None = None, low_latency: bool = False
    ) -> Iterator[Tensor]:
        """Vocodes mels while they are being made; joined, the pieces equal `inference` of the whole mel.

        Args:
            inputs: chunks ``(B, n_mels, t)`` of any lengths, one after the other, in the convention `source`.
            look_ahead, low_latency: as for `Vocos.streaming`; with less look-ahead, samples come earlier.

        Yields:
            ``(B, 1, n)``: after each chunk what is ready, at the end the rest; ``T * hop_length`` samples in all.

        Raises:
            MelMismatch: the mel conversion is lossy, which needs the whole mel.
            TypeError, ValueError: as raised by `vocos_plugins.streaming.Stream`, once the iteration gets there.
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
        """Loads the generator; files are only unpickled into tensors and plain values.

        Args:
            config: ignored; the model has its own.
            checkpoint_path: a path, or an address that fsspec knows; see `read_checkpoint`.
            eval: whether to switch to inference mode.
            strict, cache: ignored; weights always have to fit, and no copy is kept.

        Raises:
            CheckpointError: the file can't be read or is unsafe, or belongs to another model.
        """
        # Never lenient: Coqui TTS would play noise with weights that fit in part.
        load_weights(self.model_g, read_generator(str(checkpoint_path)), str(checkpoint_path))
        # Coqui TTS's GAN leaves a loaded model in training mode (0.28, TTS/vocoder/models/gan.py).
        self.train(not eval)


def wrap(vocos: Vocos, *, source: MelConvention | None = None, strict: bool = False) -> VocosVocoder:
    """Wraps a Vocos in a Coqui TTS vocoder, as `adapt` does; `attach` puts one into a text-to-speech model.

    Args:
        vocos: a mel model; it is shared, not copied.
        source: convention of the input mels of `VocosVocoder.inference`, by default coqui-ljspeech. ``config.audio``
            and ``ap`` agree with it.
        strict: refuse mels that can only be converted lossily.

    Raises:
        MelMismatch: the mels can't be converted to the model's.
        ConventionError: Coqui TTS cannot compute such mels.
    """
    source = source or DEFAULT
    # An audio block has no field for statistics, only for a file of them: the processor gets them directly, below.
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
        vocoder.ap.setup_scaler(mean, std, np.zeros(1), np.ones(1))  # the last two: for linear spectrograms, unused
    return vocoder.eval()
