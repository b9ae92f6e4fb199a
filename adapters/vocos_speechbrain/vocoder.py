"""The SpeechBrain vocoder: ``HIFIGAN`` with what Vocos can do beyond it."""

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
from vocos_plugins.streaming import stream_frames

from .export import WEIGHTS_FILE
from .generator import VocosGenerator
from .hyperparams import FILE_NAME
from .mel import DEFAULT
from .run_options import PRECISION_OPTIONS, FastBackbone, RunOptions, read_run_options

MODULE = "generator"


class VOCOS(HIFIGAN):  # type: ignore[misc]  # SpeechBrain has no types
    """Vocos wherever SpeechBrain takes a ``HIFIGAN``; loads what ``vocos export speechbrain`` writes.

    ``HIFIGAN`` itself loads that too. Here, besides, each row of a ragged batch equals its own single decode, lengths
    and directories that can't be right are refused, ``.to(device)`` is followed, and the run options ``jit``,
    ``compile`` and ``precision`` take effect.

    Attributes:
        sample_rate: Hz of mels and audio.
        hop_length: samples a frame.
        mel: convention of the mels that it takes.
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
                "written by `vocos export speechbrain`? SpeechBrain also keeps to what an earlier vocoder left in "
                f"savedir, here {(hparams or {}).get('savedir')}"
            )
        for option in PRECISION_OPTIONS:  # which SpeechBrain 1.0 doesn't know; 1.1 sets them anew
            self.__dict__[option] = (run_opts or {}).get(option)
        super().__init__({MODULE: generator, **(modules or {})}, hparams, run_opts, freeze_params)
        self.sample_rate, self.hop_length, self.mel = generator.sample_rate, generator.hop_length, generator.source
        for name in ("sample_rate", "hop_length"):
            stated, actual = getattr(self.hparams, name), getattr(self, name)
            if stated != actual:
                raise ValueError(
                    f"{name} is {stated} in the hyperparameters, but {actual} in the generator; rather than change the "
                    "number, export the vocoder anew for the mels that you have"
                )

    @classmethod
    def from_hparams(cls, source: Any, hparams_file: str = FILE_NAME, **kwargs: Any) -> VOCOS:
        """As of ``HIFIGAN``, which also has the arguments, but an outdated ``savedir`` is an error.

        Raises:
            ValueError: ``savedir`` holds files of another vocoder than `source`, which SpeechBrain would use instead.
            CheckpointError: the weights don't fit.
        """
        if kwargs.get("savedir") is not None and not getattr(kwargs.get("fetch_config"), "overwrite", False):
            # Weights from elsewhere are linked under the same name.
            names = (hparams_file,) if kwargs.get("overrides") else (hparams_file, WEIGHTS_FILE)
            _check_savedir(source, Path(kwargs["savedir"]), names)
        vocoder: VOCOS = super().from_hparams(source=source, hparams_file=hparams_file, **kwargs)
        return vocoder

    @property
    def device(self) -> Any:
        """Where the model is, also after ``.to(...)``."""
        if "mods" not in self._modules:  # in SpeechBrain's constructor
            return self._first_device
        return str(next(self.mods[MODULE].parameters()).device)

    @device.setter
    def device(self, device: str | torch.device | None) -> None:
        self._first_device: Any = device if device is None else str(device)

    def decode_batch(self, spectrogram: Tensor, mel_lens: Any = None, hop_len: int | None = None) -> Tensor:
        """Mels to waveforms, ``(B, 1, T * hop_length)``, or ``(1, T * hop_length)`` for a single mel.

        Args:
            spectrogram: ``(B, n_mels, T)`` or ``(n_mels, T)``, on any device, contiguous or not.
            mel_lens: frames of each row, ``(B,)``, as Tacotron2 gives them; for FastSpeech2 see
                `mel_lens_from_durations`. A row is 0 past its end, whatever its padding holds.
            hop_len: not needed; if given, it must be `hop_length`.

        Raises:
            TypeError, ValueError: as of `Vocos.decode`, and for lengths and hops that can't be.
        """
        if hop_len is not None and hop_len != self.hop_length:
            raise ValueError(f"hop_len is {hop_len}, but this vocoder makes {self.hop_length} samples a frame")
        single = spectrogram.ndim == 2
        batch = spectrogram[None] if single else spectrogram
        audio: Tensor = self.hparams.generator.decode(batch, None if mel_lens is None else _frame_counts(mel_lens))
        return audio if single else audio[:, None]

    def decode_spectrogram(self, spectrogram: Tensor) -> Tensor:
        """The waveform ``(1, T * hop_length)`` of one mel ``(n_mels, T)``; raises as `decode_batch`."""
        if spectrogram.ndim != 2:
            raise ValueError(
                f"expected one mel (n_mels, T), got shape {tuple(spectrogram.shape)}; batches go to decode_batch"
            )
        return self.decode_batch(spectrogram)

    def stream(
        self, spectrograms: Iterable[Tensor], *, look_ahead: int | None = None, low_latency: bool = False
    ) -> Iterator[Tensor]:
        """Vocodes mels while they are being made; together the pieces are what `decode_batch` gives of the whole.

        Args:
            spectrograms: chunks ``(B, n_mels, t)`` of any lengths, one after the other.
            look_ahead, low_latency: as for `Vocos.streaming`; with less look-ahead samples come earlier.

        Yields:
            ``(B, 1, n)``, for each chunk what is ready, then the rest; ``T * hop_length`` samples in all.

        Raises:
            MelMismatch: the mels are converted with a loss, for which all of a mel is needed.
            ValueError: run options have taken effect, which don't stream.
            TypeError, ValueError: as of `vocos_plugins.streaming.Stream`, when it gets there.
        """
        generator = self.mods[MODULE]
        if isinstance(generator.vocos.backbone, FastBackbone):
            raise ValueError("streaming runs the plain layers: load without the run options jit, compile and precision")
        pieces = stream_frames(
            generator.vocos, spectrograms, source=generator.source, look_ahead=look_ahead, low_latency=low_latency
        )
        return (piece[:, None] for piece in pieces)

    @staticmethod
    def mel_lens_from_durations(durations: Tensor, pace: float = 1.0) -> Tensor:
        """Frames of each row, int64 ``(B,)``, from what FastSpeech2 gives beside its mels.

        They are the lengths that the model itself has. In a batch those of shorter texts are too large: SpeechBrain
        gives frames to the phonemes that fill a row up, too. Encode texts one by one to hear none of them.

        Args:
            durations: of each phoneme, ``(B, L)``: logarithms of one more than its frames.
            pace: what ``encode_text`` was given.
        """
        frames = torch.clamp(torch.special.expm1(durations), 0)
        return (pace * frames).long().sum(dim=1)

    def _compile(self) -> None:
        """Called by SpeechBrain's constructor. Its own would compile the whole generator, and then not call it."""
        options = read_run_options(self, MODULE, self.mods)
        if options != RunOptions():
            vocos = self.mods[MODULE].vocos
            vocos.backbone = FastBackbone(vocos.backbone, options)


def wrap(vocos: Vocos, *, source: MelConvention | None = None, strict: bool = False) -> VOCOS:
    """A vocoder around a live model, which stays where and as it is.

    Args:
        vocos: decodes.
        source: the mels that will come in, those of SpeechBrain's LJSpeech models by default.
        strict: refuse mels that can be aligned only with a loss.

    Raises:
        MelMismatch: the mels can't be aligned with the model's.
    """
    generator = VocosGenerator(vocos, source or DEFAULT, strict)
    hparams = {MODULE: generator, "sample_rate": generator.sample_rate, "hop_length": generator.hop_length}
    device = str(next(vocos.parameters()).device)
    return VOCOS({MODULE: generator}, hparams, run_opts={"device": device}, freeze_params=False)


def _frame_counts(mel_lens: Any) -> Tensor:
    """Lengths as whole numbers; whether they fit the mels is checked where those are decoded."""
    lengths = torch.as_tensor(mel_lens)
    if lengths.dim() == 2:
        raise ValueError(
            f"mel_lens are one number a row, got shape {tuple(lengths.shape)}; durations of FastSpeech2 become lengths "
            "by VOCOS.mel_lens_from_durations(durations)"
        )
    if not lengths.is_floating_point():
        return lengths
    if bool((lengths != lengths.round()).any()) or (lengths.numel() and float(lengths.max()) <= 1):
        raise ValueError(
            f"mel_lens are numbers of frames, got {lengths.tolist()}; relative lengths, 0 to 1, become frames by "
            "(mel_lens * mel.shape[-1]).round().long()"
        )
    return lengths.long()


def _check_savedir(source: Any, savedir: Path, names: tuple[str, ...]) -> None:
    if not isinstance(source, (str, PathLike)) or not Path(source).is_dir():
        return
    for name in names:
        kept, wanted = savedir / name, Path(source) / name
        if kept.exists() and wanted.exists() and not filecmp.cmp(kept, wanted, shallow=False):
            raise ValueError(
                f"{kept} is of another vocoder than {source}, and SpeechBrain would go on using it; remove {savedir}, "
                "or choose another savedir"
            )
