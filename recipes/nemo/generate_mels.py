"""Writes the mels that a FastPitch predicts with the durations of recordings, for fine-tuning Vocos.

    python generate_mels.py --fastpitch-model-ckpt fastpitch.nemo --input-json-manifests train.json val.json \
        --output-json-manifest-root predicted

A manifest has ``audio_filepath`` and ``text`` (or ``normalized_text``), and ``speaker`` if there are several. The
output folder gets ``mels/`` and, for each manifest, a copy with ``mel_filepath``, for ``train.py data=predicted``. The
arguments are those of NeMo's script of this name, which is not part of its wheel. Entries that fail are skipped and
listed at the end; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nemo.collections.tts.models import FastPitchModel
from nemo.collections.tts.parts.utils.tts_dataset_utils import beta_binomial_prior_distribution
from torch import Tensor
from tqdm import tqdm
from vocos_nemo.clips import check_frames, read_audio
from vocos_nemo.mel import from_nemo
from vocos_nemo.spoken import parse_known

from vocos_plugins.mel import MelConvention


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Writes mels predicted with the durations of recordings.")
    parser.add_argument("--fastpitch-model-ckpt", type=Path, required=True, help=".nemo or .ckpt")
    parser.add_argument("--input-json-manifests", type=Path, nargs="+", required=True)
    parser.add_argument("--output-json-manifest-root", type=Path, required=True)
    parser.add_argument("--cpu", action="store_true", help="use the CPU even if there is a GPU")
    options = parser.parse_args(arguments)
    device = "cuda" if torch.cuda.is_available() and not options.cpu else "cpu"
    model = load_model(options.fastpitch_model_ckpt).eval().to(device)
    failures = []
    for manifest in options.input_json_manifests:
        failures += process_manifest(model, manifest, options.output_json_manifest_root)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def load_model(path: Path) -> Any:
    """Loads a FastPitch with an aligner, which finds the durations of a recording."""
    load = FastPitchModel.restore_from if path.suffix == ".nemo" else FastPitchModel.load_from_checkpoint
    model = load(str(path), map_location="cpu")
    if not model.learn_alignment:
        raise SystemExit(f"{path} has no aligner (learn_alignment is false) to find the durations of recordings")
    return model


def process_manifest(model: Any, manifest: Path, root: Path) -> list[str]:
    """Writes mels and the new manifest; returns a message for each entry that failed and was skipped."""
    mel, failures, lines = from_nemo(model.cfg.preprocessor), [], []
    folder = root / "mels" / manifest.stem
    folder.mkdir(parents=True, exist_ok=True)
    written = enumerate(manifest.read_text(encoding="utf-8").splitlines(), start=1)
    entries = [(line, json.loads(text)) for line, text in written if text.strip()]
    for number, (line, entry) in enumerate(tqdm(entries, desc=manifest.name)):
        audio_path = (manifest.parent / Path(entry["audio_filepath"]).expanduser()).resolve()
        # Absolute, since the new manifest is in another folder; numbered, since names may repeat in the recordings'
        # folders.
        mel_path = (folder / f"{number:06d}_{audio_path.stem}.npy").resolve()
        try:
            predicted = predict(model, entry, read_audio(audio_path, mel.sample_rate), mel, mel_path)
            np.save(mel_path, predicted.cpu().numpy())
        except (ValueError, KeyError, OSError) as error:
            failures.append(f"{manifest}:{line}: {audio_path}: {error}")
            continue
        lines.append(json.dumps({**entry, "audio_filepath": str(audio_path), "mel_filepath": str(mel_path)}))
    (root / f"{manifest.stem}_mel.json").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return failures


@torch.no_grad()
def predict(model: Any, entry: dict[str, Any], audio: Tensor, mel: MelConvention, path: Path) -> Tensor:
    """Predicts the mel ``(n_mels, T)`` of an entry, with one frame per hop of its recording ``(N,)``."""
    normalized = entry.get("normalized_text")
    tokens = parse_known(model, entry["text"] if normalized is None else normalized, normalize=normalized is None)
    length = torch.tensor([len(audio)], device=model.device)
    spec, frames = model.preprocessor(input_signal=audio[None].to(model.device), length=length)
    spec = spec[..., : int(frames)]  # NeMo 2.5 and newer fill the last frame with padding
    if spec.shape[-1] < tokens.shape[-1]:
        raise ValueError(f"{tokens.shape[-1]} tokens cannot be aligned with {spec.shape[-1]} frames")
    # FastPitch's aligner was trained with this prior, which favours the diagonal.
    prior = torch.from_numpy(beta_binomial_prior_distribution(tokens.shape[-1], spec.shape[-1]))
    speaker = None
    if model.cfg.n_speakers > 1:
        speaker = torch.tensor([entry["speaker"]], device=model.device)
    predicted, *_ = model(
        text=tokens,
        input_lens=torch.tensor([tokens.shape[-1]], device=model.device),
        speaker=speaker,
        spec=spec,
        mel_lens=frames,
        attn_prior=prior[None].to(model.device),
    )
    result: Tensor = predicted[0].float()
    check_frames(path, tuple(result.shape), len(audio), mel)
    return result


if __name__ == "__main__":
    sys.exit(main())
