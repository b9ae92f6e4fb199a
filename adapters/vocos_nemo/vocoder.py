"""The vocoder for NeMo, in the only module of this package that imports NeMo (half a minute).

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
from vocos_plugins.export.head import exported_form
from vocos_plugins.inference.backend import Backend
from vocos_plugins.inference.frames import decode_in_step
from vocos_plugins.mel import MelConvention, MelSpectrogram, align
from vocos_plugins.mel.padding import filled_lengths
from vocos_plugins.streaming import stream_frames

from .generator import VocosGenerator
from .mel import DEFAULT, from_nemo
from .preprocessor_block import preprocessor_block
from .training import TrainingMixin

LEVEL = 0.05  # root of the mean square of speech


class VocosModel(TrainingMixin, Vocoder, Exportable):
    """Vocos with the interface of NeMo's ``HifiGanModel``.

    Args:
        cfg: has ``preprocessor``, the block of NeMo's own configurations, such as ``spec_gen.cfg.preprocessor``, which
            describes the input mel; and ``generator``, the architecture with the model's own mel, as returned by
            `VocosConfig.to_dict`; without ``features``, that mel is the input mel. ``provenance``, the origin of the
            weights, is optional. For training, it has ``train_ds``, ``validation_ds``, ``discriminators``, ``losses``
            and ``optimization``: see `TrainingMixin`.
        trainer: NeMo's, or None.
        vocos: the model to use, which must match ``cfg.generator``; by default a new one with random weights.

    Attributes:
        audio_to_melspec_precessor: NeMo's ``FilterbankFeatures``, called with audio and lengths; NeMo's spelling.
        generator: `VocosGenerator`; its ``vocos`` is the core's model.
        sample_rate: Hz of the audio, that of ``cfg.preprocessor``.

    Raises:
        ConfigError, ConventionError: a block is missing or invalid.
        MelMismatch: the input mel can't be converted to the model's own.
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
            cfg.generator = vocos.config.to_dict()  # a saved file then doesn't depend on this version's defaults
        # Built before NeMo's constructor, so that mels which don't fit are refused before any data is read.
        generator = VocosGenerator(vocos, source)
        super().__init__(cfg=cfg, trainer=trainer)
        # Modules can be assigned only once torch's constructor has run.
        self.audio_to_melspec_precessor = _build_preprocessor(cfg.preprocessor)
        self.generator = generator
        self.objective = None
        self.sample_rate = source.sample_rate
        # NeMo's constructor has made the loader if the configuration has a train_ds.
        if self._train_dl is not None:
            self.prepare_training()

    @typecheck()
    def forward(self, *, spec: Tensor) -> Tensor:
        """Synthesizes with gradients: ``(B, n_mels, T)`` to ``(B, 1, N)``, see `convert_spectrogram_to_audio`."""
        audio: Tensor = self.generator(x=spec, lengths=filled_lengths(spec, self.generator.source))
        return audio

    @typecheck(
        input_types={
            "spec": NeuralType(("B", "C", "T"), MelSpectrogramType()),
            # Any type: the preprocessor returns LengthsType, FastPitch TokenDurationType.
            "lengths": NeuralType(tuple("B"), VoidType(), optional=True),
        },
        output_types={"audio": NeuralType(("B", "T"), AudioSignal())},
    )
    def convert_spectrogram_to_audio(self, spec: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Decodes mels to audio, without gradients; training mode makes no difference.

        Args:
            spec: ``(B, n_mels, T)``, in the convention of ``cfg.preprocessor``. Keyword only, as in all of NeMo.
            lengths: frames of each row, ``(B,)``. Without it, a row ends before the frames at its end that hold only
                the preprocessor's ``pad_value``: those are NeMo's padding, not sound.

        Shape: ``(B, T * hop_length)``, 0 past a row's end: hop and sample rate are those of ``cfg.preprocessor``, also
            if the model has others.

        Raises:
            TypeError, ValueError: as raised by `Vocos.decode`.
        """
        # NeMo's own code never passes lengths to a vocoder: the padding is found then.
        return decode_in_step(self.generator.vocos, spec, lengths=lengths, source=self.generator.source)

    def stream(
        self, specs: Iterable[Tensor], *, look_ahead: int | None = None, low_latency: bool = False
    ) -> Iterator[Tensor]:
        """Vocodes mels while they are being made; joined, it equals `convert_spectrogram_to_audio` of the whole.

        NeMo's padding at the end is silence, as there.

        Args:
            specs: chunks ``(B, n_mels, t)`` of any lengths, one after the other, in the convention of
                ``cfg.preprocessor``.
            look_ahead, low_latency: as for `Vocos.streaming`; with less look-ahead, samples come earlier.

        Yields:
            ``(B, n)``: after each chunk what is ready, at the end the rest; ``T * hop_length`` samples in all.

        Raises:
            MelMismatch: the mel conversion is lossy, which needs the whole mel.
            TypeError, ValueError: as raised by `vocos_plugins.streaming.Stream`, once the iteration gets there.
        """
        generator = self.generator
        return stream_frames(
            generator.vocos, specs, source=generator.source, look_ahead=look_ahead, low_latency=low_latency
        )

    @classmethod
    def restore_from(cls, *args: Any, **kwargs: Any) -> Any:
        """Restores as NeMo does; after a failure also resets NeMo's state, which would affect the next model."""
        # NeMo sets this state for the whole process, and clears it only after a success.
        state = AppState()
        before = state.is_model_being_restored, state.nemo_file_folder
        try:
            return super().restore_from(*args, **kwargs)
        except BaseException:
            ModelPT._set_model_restore_state(*before)
            raise

    @classmethod
    def list_available_models(cls) -> list[PretrainedModelInfo]:
        """Returns none: NVIDIA's catalogue has no Vocos. `from_pretrained` takes names on the Hugging Face hub."""
        return []

    @property
    def input_types(self) -> dict[str, NeuralType]:
        """Neural types of the inputs of `forward`."""
        return {"spec": NeuralType(("B", "D", "T"), MelSpectrogramType())}

    @property
    def output_types(self) -> dict[str, NeuralType]:
        """Neural types of the outputs of `forward`."""
        return {"audio": NeuralType(("B", "S", "T"), AudioSignal(self.sample_rate))}

    def input_example(self, max_batch: int = 1, max_dim: int = 256) -> tuple[dict[str, Tensor]]:
        """Returns the input that an export is traced with, and that NeMo compares it on: noise as loud as speech."""
        mel = self.generator.source
        audio = LEVEL * torch.randn(max_batch, (max_dim + 1) * mel.hop_length + mel.n_fft)
        return ({"spec": MelSpectrogram(mel)(audio)[..., :max_dim].to(self.device)},)

    def forward_for_export(self, spec: Tensor) -> Tensor:
        """Runs `forward` in a form that can be traced."""
        audio: Tensor = self.generator.traceable(spec)
        return audio

    def export(self, output: str, *args: Any, **kwargs: Any) -> Any:
        """Exports to ``.onnx``, ``.ts`` or ``.pt`` as NeMo does, but leaves the model unchanged, not frozen.

        Raises:
            ValueError: the mel conversion is lossy, whose computation depends on the length; or ``use_dynamo`` is set,
                for which NeMo 3.0 calls functions that recent versions of torch no longer have.
        """
        alignment = self.generator.alignment
        if alignment.kind == "lossy":
            raise ValueError(f"can't export a lossy mel conversion; export with an exact one.\n{alignment}")
        if alignment.upsample > 1:
            raise ValueError("NeMo's export has the mel's sample rate; use `vocos export` for a head with upsample")
        if kwargs.get("use_dynamo"):
            raise ValueError("use_dynamo=True: NeMo's code for it doesn't run with this torch; leave it out")
        # NeMo's export freezes the model and switches its mode; ONNX has no complex numbers, which the head uses.
        with _unchanged(self), exported_form(self.generator.vocos), warnings.catch_warnings():
            # It warns of comparisons with shapes, which check the input and have one result for every length.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            return super().export(str(output), *args, **kwargs)


TARGET = f"{VocosModel.__module__}.{VocosModel.__qualname__}"


def wrap(vocos: Vocos, *, source: MelConvention | None = None, strict: bool = False) -> VocosModel:
    """Wraps a model in a vocoder for inference; the model is shared, not copied.

    Args:
        vocos: a mel model.
        source: convention of the input mel; if None, `DEFAULT`, that of English FastPitch.
        strict: refuse a mel that can only be converted lossily.

    Raises:
        MelMismatch: the mel can't be converted to the model's own, or NeMo can't compute it.
    """
    # `build` has no `strict`, so it is checked here.
    align(source or DEFAULT, vocos.mel, strict=strict)
    return build(vocos, preprocessor_block(source or DEFAULT))


def build(vocos: Vocos, preprocessor: Mapping[str, Any]) -> VocosModel:
    """Wraps a model as `wrap` does, with a preprocessor block of NeMo's, which is kept unchanged."""
    mapping = {"preprocessor": dict(preprocessor), "generator": vocos.config.to_dict()}
    if vocos.provenance:
        mapping["provenance"] = vocos.provenance
    model = VocosModel(cfg=OmegaConf.create(mapping), vocos=vocos)
    return model.eval().to(next(vocos.parameters()).device)


def register() -> None:
    """Adds the exact path of `VocosModel` to those that NeMo restores; importing this module calls it.

    NeMo (since 2.4) checks paths against a list of prefixes, and then that they lead to a class of the right kind.
    """
    # NeMo has no function to add to its list. The whole path allows this class and nothing else, as a shorter prefix
    # would.
    allowed = getattr(common, "ALLOWED_TARGET_PREFIXES", None)
    if allowed is not None and TARGET not in allowed:
        allowed.append(TARGET)


def _build_preprocessor(block: DictConfig) -> FilterbankFeatures:
    # NeMo's own check of `_target_`, which may come from an untrusted file.
    module = safe_instantiate(block)
    if isinstance(module, AudioToMelSpectrogramPreprocessor):
        module = module.featurizer  # does the computation, and is called as HiFi-GAN's preprocessor is
    if not isinstance(module, FilterbankFeatures):
        raise ConfigError(
            f"preprocessor: expected a _target_ that is FilterbankFeatures or AudioToMelSpectrogramPreprocessor, got "
            f"{block.get('_target_')!r}"
        )
    return module


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Restores which parameters are trained, and the mode of each module."""
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
