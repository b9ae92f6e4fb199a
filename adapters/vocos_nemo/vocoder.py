"""The vocoder that NeMo takes, and the only module here that imports NeMo (half a minute).

Importing it adds `VocosModel` to the classes that NeMo restores from a ``.nemo`` file.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from nemo.collections.asr.modules import AudioToMelSpectrogramPreprocessor
from nemo.collections.asr.parts.preprocessing.features import FilterbankFeatures
from nemo.collections.tts.models.base import Vocoder
from nemo.core.classes import Exportable, ModelPT, common
from nemo.core.classes.common import PretrainedModelInfo, safe_instantiate, typecheck
from nemo.core.neural_types import AudioSignal, MelSpectrogramType, NeuralType, VoidType
from nemo.utils import model_utils
from nemo.utils.app_state import AppState
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from vocos_plugins import Vocos
from vocos_plugins.config import VocosConfig
from vocos_plugins.config.mapping import ConfigError, check_keys
from vocos_plugins.export.head import real_head
from vocos_plugins.inference.backend import Backend
from vocos_plugins.inference.frames import decode_frames
from vocos_plugins.mel import MelConvention, align
from vocos_plugins.streaming import stream_frames

from .generator import VocosGenerator, filled_lengths
from .mel import DEFAULT, from_nemo
from .preprocessor_block import preprocessor_block
from .training import TrainingSide


class VocosModel(TrainingSide, Vocoder, Exportable):
    """Vocos with the interface of NeMo's ``HifiGanModel``.

    Args:
        cfg: ``preprocessor``, the block that NeMo's own configurations have, such as ``spec_gen.cfg.preprocessor``:
            the mel that comes in; and ``generator``, the architecture and its own mel, as `VocosConfig.to_dict` gives
            it; without ``features``, its own mel is the one that comes in. ``provenance`` is optional: how the weights
            came to be. For training, ``train_ds``, ``validation_ds``, ``discriminators``, ``losses`` and
            ``optimization``: see `TrainingSide`.
        trainer: NeMo's, or none.
        vocos: the model to use, which must be of ``cfg.generator``; without it a new one with random weights is made.

    Attributes:
        audio_to_melspec_precessor: NeMo's ``FilterbankFeatures``, called with audio and lengths; NeMo's spelling.
        generator: `VocosGenerator`; its ``vocos`` is the core's model.
        sample_rate: Hz of the audio.

    Raises:
        ConfigError, ConventionError: a block is missing, or says what can't be.
        MelMismatch: the mel that comes in can't be brought into the model's own.
    """

    def __init__(self, cfg: DictConfig, trainer: Any = None, *, vocos: Vocos | None = None) -> None:
        cfg = model_utils.convert_model_config_to_dict_config(cfg)
        cfg = model_utils.maybe_update_config_version(cfg)
        check_keys(cfg, set(cfg), {"preprocessor", "generator"}, "VocosModel's configuration")
        source = from_nemo(cfg.preprocessor)
        if vocos is None:
            plain: Any = OmegaConf.to_container(cfg)
            architecture = {"features": {"kind": "mel", **dataclasses.asdict(source)}, **plain["generator"]}
            model_config, provenance = VocosConfig.from_dict(architecture), plain.get("provenance")
            vocos = Vocos(model_config, provenance, backend=Backend(precision="auto"))
            cfg.generator = vocos.config.to_dict()
        generator = VocosGenerator(vocos, source)
        super().__init__(cfg=cfg, trainer=trainer)
        self.audio_to_melspec_precessor = _build_preprocessor(cfg.preprocessor)
        self.generator = generator
        self.objective = None
        self.sample_rate = vocos.sample_rate
        if self._train_dl is not None:
            self.prepare_training()

    @typecheck()
    def forward(self, *, spec: Tensor) -> Tensor:
        """As `convert_spectrogram_to_audio`, with gradients and a channel: ``(B, n_mels, T)`` -> ``(B, 1, N)``."""
        audio: Tensor = self.generator(x=spec, lengths=filled_lengths(spec, self.generator.source.pad_value))
        return audio

    @typecheck(
        input_types={
            "spec": NeuralType(("B", "C", "T"), MelSpectrogramType()),
            # Any type: the preprocessor gives LengthsType, FastPitch TokenDurationType.
            "lengths": NeuralType(tuple("B"), VoidType(), optional=True),
        },
        output_types={"audio": NeuralType(("B", "T"), AudioSignal())},
    )
    def convert_spectrogram_to_audio(self, spec: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Mels to audio; no gradients are recorded, and it makes no difference whether the model is in training mode.

        Args:
            spec: ``(B, n_mels, T)``, in the convention of ``cfg.preprocessor``. By keyword, as all of NeMo's.
            lengths: frames of each row, ``(B,)``. Without it, a row ends before the frames at its end that hold nothing
                but the preprocessor's ``pad_value``: those are NeMo's padding, and no sound.

        Shape: ``(B, T * hop_length)``, 0 past a row's end; where the model has another sample rate or hop, as long in
            seconds.

        Raises:
            TypeError, ValueError: as `Vocos.decode`.
        """
        source = self.generator.source
        if lengths is None:
            lengths = filled_lengths(spec, source.pad_value)
        return decode_frames(self.generator.vocos, spec, lengths=lengths, source=source)

    def stream(
        self, specs: Iterable[Tensor], *, look_ahead: int | None = None, low_latency: bool = False
    ) -> Iterator[Tensor]:
        """Vocodes mels while they are being made; in all, what `convert_spectrogram_to_audio` gives of the whole.

        Every frame counts: NeMo's padding, which that looks for at the end, must not be among them.

        Args:
            specs: chunks ``(B, n_mels, t)`` of any lengths, one after the other, in the convention of
                ``cfg.preprocessor``.
            look_ahead, low_latency: as for `Vocos.streaming`; with less look-ahead samples come earlier.

        Yields:
            ``(B, n)``, for each chunk what is ready, then the rest; ``T * hop_length`` samples in all.

        Raises:
            MelMismatch: the mels are converted with a loss, for which all of a mel is needed.
            TypeError, ValueError: as of `vocos_plugins.streaming.Stream`, when it gets there.
        """
        generator = self.generator
        return stream_frames(
            generator.vocos, specs, source=generator.source, look_ahead=look_ahead, low_latency=low_latency
        )

    @classmethod
    def restore_from(cls, *args: Any, **kwargs: Any) -> Any:
        """As NeMo's, but a failure leaves no trace: NeMo would take the next model for one that is being restored."""
        state = AppState()
        before = state.is_model_being_restored, state.nemo_file_folder
        try:
            return super().restore_from(*args, **kwargs)
        except BaseException:
            ModelPT._set_model_restore_state(*before)
            raise

    @classmethod
    def list_available_models(cls) -> list[PretrainedModelInfo]:
        """None: NVIDIA's catalogue has no Vocos. `from_pretrained` takes names of the Hugging Face hub."""
        return []

    @property
    def input_types(self) -> dict[str, NeuralType]:
        """Of `forward`."""
        return {"spec": NeuralType(("B", "D", "T"), MelSpectrogramType())}

    @property
    def output_types(self) -> dict[str, NeuralType]:
        """Of `forward`."""
        return {"audio": NeuralType(("B", "S", "T"), AudioSignal(self.sample_rate))}

    def input_example(self, max_batch: int = 1, max_dim: int = 256) -> tuple[dict[str, Tensor]]:
        """What an export is traced with."""
        return ({"spec": torch.randn(max_batch, self.generator.source.n_mels, max_dim, device=self.device)},)

    def forward_for_export(self, spec: Tensor) -> Tensor:
        """`forward`, but that padding isn't looked for."""
        audio: Tensor = self.generator(x=spec)
        return audio

    def export(self, output: str, *args: Any, **kwargs: Any) -> Any:
        """As NeMo's, to ``.onnx``, ``.ts`` or ``.pt``; the model stays as it is, while NeMo's freeze theirs.

        Raises:
            ValueError: the mel that comes in is converted with a loss, whose computation depends on its length; or
                ``use_dynamo``, for which NeMo 3.0 calls what recent versions of torch no longer have.
        """
        alignment = self.generator.alignment
        if alignment.kind == "lossy":
            raise ValueError(f"can't export a conversion of mels with a loss; export with one that fits.\n{alignment}")
        if kwargs.get("use_dynamo"):
            raise ValueError("use_dynamo=True: NeMo's code for it doesn't run with this torch; leave it out")
        with _unchanged(self), real_head(self.generator.vocos), warnings.catch_warnings():
            # Of comparisons with shapes, which check the input and come out the same for every length.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            return super().export(str(output), *args, **kwargs)


TARGET = f"{VocosModel.__module__}.{VocosModel.__qualname__}"


def wrap(vocos: Vocos, *, source: MelConvention | None = None, strict: bool = False) -> VocosModel:
    """The vocoder around a model, which is shared, not copied; ready for inference.

    Args:
        vocos: a mel model.
        source: the mel that will come in; `DEFAULT`, English FastPitch's, if None.
        strict: refuse a mel that can be brought into the model's own only at a loss.

    Raises:
        MelMismatch: the mel can't be brought into the model's own, or NeMo can't compute it.
    """
    align(source or DEFAULT, vocos.mel, strict=strict)
    return build(vocos, preprocessor_block(source or DEFAULT))


def build(vocos: Vocos, preprocessor: Mapping[str, Any]) -> VocosModel:
    """As `wrap`, with a preprocessor block of NeMo's, which is kept as it is."""
    mapping = {"preprocessor": dict(preprocessor), "generator": vocos.config.to_dict()}
    if vocos.provenance:
        mapping["provenance"] = vocos.provenance
    model = VocosModel(cfg=OmegaConf.create(mapping), vocos=vocos)
    return model.eval().to(next(vocos.parameters()).device)


def register() -> None:
    """Adds the path of `VocosModel`, and nothing wider, to those that NeMo restores; importing this module does so.

    NeMo (since 2.4) checks paths against a list of prefixes, and then that they lead to a class of the right kind.
    """
    allowed = getattr(common, "ALLOWED_TARGET_PREFIXES", None)
    if allowed is not None and TARGET not in allowed:
        allowed.append(TARGET)


def _build_preprocessor(block: DictConfig) -> FilterbankFeatures:
    module = safe_instantiate(block)
    if isinstance(module, AudioToMelSpectrogramPreprocessor):
        module = module.featurizer  # what computes, and is called as HiFi-GAN's is
    if not isinstance(module, FilterbankFeatures):
        raise ConfigError(
            f"preprocessor: expected a _target_ that is FilterbankFeatures or AudioToMelSpectrogramPreprocessor, got "
            f"{block.get('_target_')!r}"
        )
    return module


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Puts back which parameters are trained, and the mode of each module."""
    trained = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for parameter, requires_grad in trained:
            parameter.requires_grad = requires_grad
        for module, training in modes:
            module.training = training


register()
