"""The SpeechBrain vocoder: a ``HIFIGAN`` with the features that Vocos adds."""

from __future__ import annotations

import filecmp
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from speechbrain.inference.vocoders import HIFIGAN
from torch import Tensor, nn

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.mel.inputs import Numbers, as_tensor
from vocos_plugins.streaming import stream_frames

from .export import WEIGHTS_FILE
from .generator import VocosGenerator
from .hyperparams import FILE_NAME
from .mel import DEFAULT
from .run_options import PRECISION_OPTIONS, ConfiguredBackbone, RunOptions, read_run_options

MODULE = "generator"


class VOCOS(HIFIGAN):  # type: ignore[misc]  # SpeechBrain has no types
    """Vocos wherever SpeechBrain takes a ``HIFIGAN``; loads what ``vocos export speechbrain`` writes.

    ``HIFIGAN`` itself loads that too. In addition, each row of a ragged batch equals its own single decode, invalid
    lengths and outdated directories are refused, ``.to(device)`` is followed, and the run options ``jit``, ``compile``
    and ``precision`` take effect.

    Attributes:
        sample_rate: Hz of mels and audio.
        hop_length: samples per frame.
        mel: convention of the input mels.
    """

    HPARAMS_NEEDED = (MODULE, "sample_rate", "hop_length")

    def __init__(
        self,
        modules: Mapping[str, nn.Module] | None = None,
        hparams: Mapping[str, Any] | None = None,
        run_opts: Any = None,
        freeze_params: bool = True,
    ) -> None:
        generator = (hparams or {}).get(MODULE)
        if not isinstance(generator, VocosGenerator):
            raise ValueError(
                f"expected hyperparameters with a VocosGenerator, got a {type(generator).__name__}. Was the directory "
                "written by `vocos export speechbrain`? SpeechBrain also reuses files that an earlier vocoder left in "
                f"savedir, here {(hparams or {}).get('savedir')}"
            )
        # Its constructor calls _compile, which reads these; SpeechBrain 1.0 doesn't set them, 1.1 does.
        for option in PRECISION_OPTIONS:
            self.__dict__[option] = (run_opts or {}).get(option)
        super().__init__({MODULE: generator, **(modules or {})}, hparams, run_opts, freeze_params)
        self.sample_rate, self.hop_length, self.mel = generator.sample_rate, generator.hop_length, generator.source
        for name in ("sample_rate", "hop_length"):
            stated, actual = getattr(self.hparams, name), getattr(self, name)
            if stated != actual:
                raise ValueError(
                    f"{name} is {stated} in the hyperparameters, but {actual} in the generator; don't edit the "
                    "number, but export the vocoder again for your mels"
                )

    @classmethod
    def from_hparams(cls, source: Any, hparams_file: str = FILE_NAME, **kwargs: Any) -> VOCOS:
        """Loads as ``HIFIGAN.from_hparams`` does, with its arguments; an outdated ``savedir`` is an error.

        Raises:
            ValueError: ``savedir`` holds files of another vocoder than `source`, which SpeechBrain would use instead.
            CheckpointError: the weights don't fit.
        """
        if kwargs.get("savedir") is not None and not getattr(kwargs.get("fetch_config"), "overwrite", False):
            # With overrides, weights from elsewhere may be linked under the name of the source's own.
            names = (hparams_file,) if kwargs.get("overrides") else (hparams_file, WEIGHTS_FILE)
            _check_savedir(source, Path(kwargs["savedir"]), names)
        vocoder: VOCOS = super().from_hparams(source=source, hparams_file=hparams_file, **kwargs)
        return vocoder

    @property
    def device(self) -> Any:
        """The model's device, also after ``.to(...)``."""
        if "mods" not in self._modules:  # still in SpeechBrain's constructor
            return self._first_device
        return str(next(self.mods[MODULE].parameters()).device)

    @device.setter
    def device(self, device: str | torch.device | None) -> None:
        self._first_device: Any = device if device is None else str(device)

    def decode_batch(self, spectrogram: Numbers, mel_lens: Any = None, hop_len: int | None = None) -> Tensor:
        """Decodes mels to waveforms ``(B, 1, T * hop_length)``, a single mel to ``(1, T * hop_length)``.

        Args:
            spectrogram: ``(B, n_mels, T)`` or ``(n_mels, T)``, on any device, contiguous or not.
            mel_lens: frames of each row, ``(B,)``, as Tacotron2 returns them; for FastSpeech2 see
                `mel_lens_from_durations`. A row is 0 past its end, whatever its padding holds.
            hop_len: not needed; if given, it must be `hop_length`.

        Raises:
            TypeError, ValueError: as raised by `Vocos.decode`, and for invalid lengths and hops.
        """
        if hop_len is not None and hop_len != self.hop_length:
            raise ValueError(f"hop_len is {hop_len}, but this vocoder produces {self.hop_length} samples per frame")
        spectrogram = as_tensor(spectrogram, "spectrogram")
        # HIFIGAN's own method would decode the padding, then mute it: that changes the last frames of a row.
        single = spectrogram.ndim == 2
        batch = spectrogram[None] if single else spectrogram
        audio: Tensor = self.hparams.generator.decode(batch, None if mel_lens is None else _frame_counts(mel_lens))
        return audio if single else audio[:, None]

    def decode_spectrogram(self, spectrogram: Numbers) -> Tensor:
        """Decodes one mel ``(n_mels, T)`` to ``(1, T * hop_length)``; raises the errors of `decode_batch`."""
        spectrogram = as_tensor(spectrogram, "spectrogram")
        if spectrogram.ndim != 2:
            raise ValueError(
                f"expected one mel (n_mels, T), got shape {tuple(spectrogram.shape)}; batches go to decode_batch"
            )
        return self.decode_batch(spectrogram)

    def stream(
        self, spectrograms: Iterable[Tensor], *, look_ahead: int | None = None, low_latency: bool = False
    ) -> Iterator[Tensor]:
        """Vocodes mels while they are being made; joined, the pieces equal `decode_batch` of the whole mel.

        Args:
            spectrograms: chunks ``(B, n_mels, t)`` of any lengths, one after the other.
            look_ahead, low_latency: as for `Vocos.streaming`; with less look-ahead, samples come earlier.

        Yields:
            ``(B, 1, n)``: after each chunk what is ready, at the end the rest; ``T * hop_length`` samples in all.

        Raises:
            MelMismatch: the mel conversion is lossy, which needs the whole mel.
            ValueError: run options are in effect, which streaming does not support.
            TypeError, ValueError: as raised by `vocos_plugins.streaming.Stream`, once the iteration gets there.
        """
        generator = self.mods[MODULE]
        if isinstance(generator.vocos.backbone, ConfiguredBackbone):
            # A stream carries the state of single layers, which a traced or compiled backbone hides.
            raise ValueError("streaming needs plain layers: load without the run options jit, compile and precision")
        pieces = stream_frames(
            generator.vocos, spectrograms, source=generator.source, look_ahead=look_ahead, low_latency=low_latency
        )
        return (piece[:, None] for piece in pieces)

    @staticmethod
    def mel_lens_from_durations(durations: Tensor, pace: float = 1.0) -> Tensor:
        """Returns the frames of each row, int64 ``(B,)``, from the durations that FastSpeech2 returns with its mels.

        They are the lengths that the model itself has. In a batch, those of shorter texts are too large: SpeechBrain
        assigns frames to padding phonemes too. Encode texts one by one to avoid them.

        Args:
            durations: of each phoneme, ``(B, L)``: the logarithm of its frames plus one.
            pace: the value that was passed to ``encode_text``.
        """
        frames = torch.clamp(torch.special.expm1(durations), 0)
        return (pace * frames).long().sum(dim=1)

    def _compile(self) -> None:
        """Applies the run options; SpeechBrain's own method compiles the whole generator, and then never calls it."""
        options = read_run_options(self, MODULE, self.mods)
        if options != RunOptions():
            vocos = self.mods[MODULE].vocos
            vocos.backbone = ConfiguredBackbone(vocos.backbone, options)


def wrap(vocos: Vocos, *, source: MelConvention | None = None, strict: bool = False) -> VOCOS:
    """Wraps a live model in a vocoder; the model is neither moved nor changed.

    Args:
        vocos: the model that decodes.
        source: convention of the input mels; by default that of SpeechBrain's LJSpeech models.
        strict: refuse mels that can only be aligned lossily.

    Raises:
        MelMismatch: the mels can't be aligned with the model's.
    """
    generator = VocosGenerator(vocos, source or DEFAULT, strict)
    hparams = {MODULE: generator, "sample_rate": generator.sample_rate, "hop_length": generator.hop_length}
    device = str(next(vocos.parameters()).device)
    # By default SpeechBrain would switch off the gradients of the caller's model, and move it to another device.
    return VOCOS({MODULE: generator}, hparams, run_opts={"device": device}, freeze_params=False)


def _frame_counts(mel_lens: Any) -> Tensor:
    """Returns lengths as integers; `VocosGenerator.decode` checks whether they fit the mels."""
    lengths = torch.as_tensor(mel_lens)
    if lengths.dim() == 2:
        raise ValueError(
            f"mel_lens must hold one number per row, got shape {tuple(lengths.shape)}; convert FastSpeech2's durations "
            "with VOCOS.mel_lens_from_durations(durations)"
        )
    if not lengths.is_floating_point():
        return lengths
    if bool((lengths != lengths.round()).any()) or (lengths.numel() and float(lengths.max()) <= 1):
        raise ValueError(
            f"mel_lens must be numbers of frames, got {lengths.tolist()}; convert relative lengths, 0 to 1, with "
            "(mel_lens * mel.shape[-1]).round().long()"
        )
    return lengths.long()


def _check_savedir(source: Any, savedir: Path, names: tuple[str, ...]) -> None:
    if not isinstance(source, (str, PathLike)) or not Path(source).is_dir():
        return
    for name in names:
        kept, wanted = savedir / name, Path(source) / name
        # shallow=False compares contents; two exports may have the same size and time.
        if kept.exists() and wanted.exists() and not filecmp.cmp(kept, wanted, shallow=False):
            raise ValueError(
                f"{kept} belongs to another vocoder than {source}, and SpeechBrain would keep using it; remove "
                f"{savedir}, or choose another savedir"
            )
