"""Writes a directory that SpeechBrain's own ``HIFIGAN.from_hparams(source=...)`` loads."""

from __future__ import annotations

import io
import os
import re
import textwrap
from pathlib import Path
from typing import Any

import torch
import yaml

from vocos_plugins import MelConvention, Vocos, __version__
from vocos_plugins.config import FEATURES
from vocos_plugins.config.mapping import write_part
from vocos_plugins.mel import ConventionError
from vocos_plugins.storage.overwriting import check_replaceable
from vocos_plugins.storage.safe_files import CheckpointError, write_files

from .exported import BEGINNING, GENERATOR, WEIGHTS_FILE, is_export, read_export
from .generator import VocosGenerator
from .hyperparams import FILE_NAME
from .mel import DEFAULT, from_speechbrain, read_convention

TEMPLATE = """\
{beginning} {version}: mels ({n_mels} bands, {sample_rate} Hz) to audio,
# {hop_length} samples per frame. It needs `pip install 'vocos-plugins[speechbrain]'`. Load it in place of a HiFi-GAN:
#
#     from speechbrain.inference.vocoders import HIFIGAN
#     vocoder = HIFIGAN.from_hparams(source="the directory of this file")
#     waveforms = vocoder.decode_batch(mels)  # (B, {n_mels}, T) to (B, 1, T * {hop_length})
#
# In a recipe, give this directory as the vocoder's source, and a savedir that no other vocoder has used.

# The input mels{unlike}
{mel}
generator: !new:{generator}
{arguments}  provenance: !ref <provenance>

modules:
  generator: !ref <generator>

pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
  loadables:
    generator: !ref <generator>
  custom_hooks: # strict; by itself SpeechBrain only logs missing keys
    generator: !name:vocos_speechbrain.generator.load_checkpoint

# Where the weights come from, and under which licence
{provenance}"""


class _Dumper(yaml.SafeDumper):
    """A dumper that quotes text which HyperPyYAML would read as a tuple or a number."""


_Dumper.add_implicit_resolver("!tuple", re.compile(r"^\(.*\)$"), ["("])
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def export(
    vocos: Vocos,
    target: Path,
    *,
    tts: Path | MelConvention | None = None,
    strict: bool = False,
    overwrite: bool = False,
) -> None:
    """Writes ``hyperparams.yaml`` and ``generator.ckpt``, both or neither.

    Args:
        vocos: a mel model.
        target: directory, created if it doesn't exist.
        tts: source of the mels: a model's directory or hyperparameter file, or a convention; by default the convention
            of SpeechBrain's LJSpeech models. Mels of a convention other than the model's own are aligned when they
            are decoded.
        strict: refuse mels that can only be aligned lossily.
        overwrite: replace files of another model, except those of ``tts``.

    Warns:
        MelMismatchWarning: the mels can only be aligned lossily.

    Raises:
        MelMismatch: the mels can't be aligned with the model's, or ``strict`` forbids it.
        ConventionError: the mel convention can't be read from the file of ``tts``.
        CheckpointError: the directory can't be written to, or holds another model, which is kept; or the model's
            provenance holds more than text, numbers, lists and mappings.
    """
    target = Path(os.path.expanduser(target))
    files = [target / FILE_NAME, target / WEIGHTS_FILE]
    inputs = [Path(tts)] if tts is not None and not isinstance(tts, MelConvention) else []
    check_replaceable(files, is_own=lambda: is_export(target / FILE_NAME), overwrite=overwrite, inputs=inputs)
    generator = VocosGenerator(vocos, _convention(tts), strict)
    weights = io.BytesIO()
    # Cloned, since torch writes the whole storage of a view.
    torch.save({key: value.detach().cpu().clone() for key, value in generator.state_dict().items()}, weights)
    write_files(target, {WEIGHTS_FILE: weights.getvalue(), FILE_NAME: _hyperparams(generator).encode()})


def _convention(tts: Path | MelConvention | None) -> MelConvention:
    if tts is None or isinstance(tts, MelConvention):
        return tts or DEFAULT
    if (exported := read_export(Path(tts))) is not None:
        return exported.source  # which the file's other fields can't always express
    convention = read_convention(Path(tts))
    if convention is None:
        raise ConventionError(f"{tts} is not a SpeechBrain hyperparameter file, nor a directory with {FILE_NAME}")
    return convention


def _hyperparams(generator: VocosGenerator) -> str:
    mel = _recipe_fields(generator.source)
    known = _is_expressed(mel, generator.source)
    arguments: dict[str, Any] = {"vocos": generator.vocos.config.to_dict()}
    # Left out where the model's own mel says it all, so that the file stays short enough to read.
    if not known or generator.source != generator.vocos.mel:
        arguments["source"] = write_part(generator.source, FEATURES)
    return TEMPLATE.format(
        beginning=BEGINNING,
        version=__version__,
        generator=GENERATOR,
        n_mels=generator.n_mels,
        sample_rate=generator.sample_rate,
        hop_length=generator.hop_length,
        unlike="" if known else "; the recipes have no names for some fields, see the generator's `source`",
        mel=_dump(mel if known else {key: mel[key] for key in ("sample_rate", "hop_length", "n_mel_channels")}),
        arguments=textwrap.indent(_dump(arguments), "  "),
        provenance=_dump({"provenance": generator.vocos.provenance}),
    )


def _recipe_fields(mel: MelConvention) -> dict[str, Any]:
    """Returns a convention's fields under the names of SpeechBrain's recipes, as far as they have any."""
    return {
        "sample_rate": mel.sample_rate,
        "hop_length": mel.hop_length,
        "win_length": mel.win_length,
        "n_mel_channels": mel.n_mels,
        "n_fft": mel.n_fft,
        "mel_fmin": mel.f_min,
        "mel_fmax": mel.f_max,
        "mel_normalized": False,
        "power": int(mel.power),
        "norm": mel.mel_norm,
        "mel_scale": mel.mel_scale,
        "dynamic_range_compression": mel.log is not None,
    }


def _is_expressed(fields: dict[str, Any], mel: MelConvention) -> bool:
    try:
        return from_speechbrain(fields) == mel
    except ConventionError:
        return False


def _dump(values: dict[str, Any]) -> str:
    try:
        return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    except yaml.YAMLError as error:
        raise CheckpointError(f"the provenance can't be written as YAML: {error}") from error
