"""Loads stored tensors into a model and collects them for saving. Missing and unexpected keys are errors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..mel.shown import shown
from .safe_files import CheckpointError

FILTERBANK = "feature_extractor.mel_spec.mel_scale.fb"
# Of predicted mels: small, and its products cancel, so it stays in float32.
POSTFILTER = "postfilter."
# Tensors that the configuration determines: they may be absent, and must agree with it where they are stored.
DERIVED = (FILTERBANK, "feature_extractor.mel_spec.spectrogram.window", "head.istft.window")
# Stored by the reference package, but not part of this model: EnCodec itself, and an inverse MDCT's tables.
FOREIGN = ("feature_extractor.encodec.", "head.imdct.")
# Weight norm's names in published checkpoints, and in current torch.
WEIGHT_NORM = {".weight_g": ".parametrizations.weight.original0", ".weight_v": ".parametrizations.weight.original1"}
# Relative to the largest value. Filterbanks of two conventions differ by far more, those of two torch versions by far
# less.
DERIVED_TOLERANCE = 1e-4
# Parts of names that torch's and Lightning's wrappers add.
WRAPPERS = {
    "_orig_mod.": "torch.compile",
    "module.": "DataParallel, DistributedDataParallel or an averaged model",
    "_fsdp_wrapped_module.": "FSDP",
    "_checkpoint_wrapped_module.": "activation checkpointing",
    "generator.": "a training",
    "model.": "a training",
    "vocos.": "a training",
    "ema.": "an averaged model",
}
MAX_NAMED = 5


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Copies stored tensors into ``model``, in the precision that the model has.

    Args:
        model: the model to load into.
        weights: tensors by the names of published checkpoints.
        source: the checkpoint's name in messages.

    Raises:
        CheckpointError: names or shapes don't fit, a value is not finite, or a stored window or filterbank
            belongs to another mel convention than the configuration's.
    """
    check_tensors(weights, source)
    expected = model.state_dict()
    weights = _without_prefix(weights, expected, source)
    stored = {_rename(key, WEIGHT_NORM.items()): value for key, value in weights.items() if not key.startswith(FOREIGN)}
    if any(value.is_meta for value in expected.values()):
        raise CheckpointError(
            f"{source}: the model is on the meta device, which holds no values; load it outside of "
            "torch.device('meta'), and without init_empty_weights"
        )
    _check_names(stored, expected, source)
    for key in DERIVED:
        if key in stored:
            # Compared, then left out: a stored table may be rounded, the model's own is exact.
            _check_derived(key, stored.pop(key), expected[key], source)
    for key, value in stored.items():
        if expected[key].is_floating_point() and not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise CheckpointError(f"{source}: {key} holds {kind} values, expected floating point; convert it first")
        if not bool(torch.isfinite(value.float()).all()):
            raise CheckpointError(f"{source}: {key} holds NaN or infinite values; training may have diverged")
    model.load_state_dict(stored, strict=False)


def _without_prefix(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str) -> Mapping[str, Tensor]:
    """Returns weights without the part that a wrapper put before each name, and says so.

    One part, before all names: what else a file holds, or how often it was wrapped, is not guessed.
    """
    for prefix, wrapper in WRAPPERS.items():
        if weights and all(key.startswith(prefix) for key in weights):
            bare = {key.removeprefix(prefix): value for key, value in weights.items()}
            if any(_rename(key, WEIGHT_NORM.items()) in expected for key in bare):
                message = f"{source}: all names of weights begin with {prefix!r}, which {wrapper} adds; it is left out"
                warnings.warn(message, stacklevel=2)
                return bare
    return weights


def check_tensors(weights: Mapping[Any, Any], source: str) -> None:
    """Checks that a state dict's keys are names and its values plain tensors: dense, with values, not quantized.

    Raises:
        CheckpointError: one is not; the message says what it is and what to do.
    """
    for key, value in weights.items():
        if not isinstance(key, str):
            raise CheckpointError(f"{source}: the key {shown(key)} is no name of a weight: keys must be text")
        if not isinstance(value, Tensor):
            raise CheckpointError(f"{source}: expected tensors, but {shown(key)} is a {type(value).__name__}")
        if value.is_meta:
            raise CheckpointError(
                f"{source}: {shown(key)} is on the meta device, which holds no values; save the model after its "
                "weights are loaded"
            )
        if value.is_quantized or value.is_nested or value.layout != torch.strided:
            kind = "quantized" if value.is_quantized else "nested" if value.is_nested else str(value.layout)[6:]
            raise CheckpointError(
                f"{source}: {shown(key)} is a {kind} tensor; save it after .dequantize() or .to_dense()"
            )


def weights_to_save(weights: Mapping[str, Tensor], *, half: bool) -> dict[str, Tensor]:
    """Returns a state dict by the names of published checkpoints, on the CPU.

    Args:
        weights: a model's state dict.
        half: as float16, but for the small postfilter, and without what the configuration determines, for half the
            size.

    Raises:
        CheckpointError: a weight is too large for float16.
    """
    names = [(new, old) for old, new in WEIGHT_NORM.items()]
    saved: dict[str, Tensor] = {}
    for key, value in weights.items():
        if half and key in DERIVED:
            continue
        tensor = value.detach().cpu()
        if half and tensor.is_floating_point() and not key.startswith(POSTFILTER):
            tensor = tensor.half()
            if not bool(torch.isfinite(tensor).all()):
                raise CheckpointError(f"{key} has values that float16 can't hold; save without half=True")
        # safetensors takes no tensors that share memory or are not contiguous; a view is stored by its values.
        saved[_rename(key, names)] = tensor.clone(memory_format=torch.contiguous_format)
    return saved


def _rename(key: str, names: Iterable[tuple[str, str]]) -> str:
    for old, new in names:
        if key.endswith(old):
            return key.removesuffix(old) + new
    return key


def _check_names(stored: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str) -> None:
    problems = []
    if missing := [key for key in expected if key not in stored and key not in DERIVED]:
        problems.append(f"{_summarize_keys(missing)} missing")
    if unexpected := [key for key in stored if key not in expected]:
        problems.append(f"{_summarize_keys(unexpected)} unexpected")
    if misshapen := [key for key in stored if key in expected and stored[key].shape != expected[key].shape]:
        summary = _summarize_keys(
            misshapen, lambda key: f"{key} {tuple(stored[key].shape)} for {tuple(expected[key].shape)}"
        )
        problems.append(f"{summary} of another shape")
    if problems:
        hint = _wrapper_hint(unexpected, expected)
        raise CheckpointError(f"{source}: the weights don't fit the configuration: {'; '.join(problems)}{hint}")


def _wrapper_hint(unexpected: list[str], expected: Mapping[str, Tensor]) -> str:
    """Returns what to do about names that would fit without a wrapper's part; "" if there are none."""
    for part, wrapper in WRAPPERS.items():
        bare = [key for key in unexpected if part in key and _without_wrappers(key) in expected]
        if bare:
            return (
                f". {len(bare)} names, {bare[0]} for instance, would fit without {part!r}, which {wrapper} adds: save "
                "the state dict of the model inside it, or rename the keys"
            )
    return ""


def _without_wrappers(key: str) -> str:
    for part in WRAPPERS:
        key = key.replace(part, "")
    return key


def _summarize_keys(keys: list[str], describe: Callable[[str], str] = str) -> str:
    more = f" and {len(keys) - MAX_NAMED} more" if len(keys) > MAX_NAMED else ""
    noun = "key" if len(keys) == 1 else "keys"
    return f"{len(keys)} {noun} ({', '.join(map(describe, keys[:MAX_NAMED]))}{more})"


def _check_derived(key: str, stored: Tensor, expected: Tensor, source: str) -> None:
    tolerance = DERIVED_TOLERANCE
    if stored.dtype in (torch.float16, torch.bfloat16):
        tolerance = torch.finfo(stored.dtype).eps
    expected = expected.cpu().double()
    difference = float((stored.double() - expected).abs().max() / expected.abs().max())
    if math.isfinite(difference) and difference <= tolerance:
        return
    what = "filterbank" if key == FILTERBANK else "window"
    raise CheckpointError(
        f"{source}: the stored {what} does not match the configuration (or the checkpoint's card): {key} differs by "
        f"{difference:.2g} of its largest value. With these settings the model would be fed the wrong mel: "
        "compare sample_rate, n_fft, f_min, f_max, mel_scale and norm with the code that trained it"
    )
