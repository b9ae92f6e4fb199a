"""Writes the mels that a FastPitch predicts for recordings, with the recordings' own durations, to fine-tune Vocos on.

    python generate_mels.py --fastpitch-model-ckpt fastpitch.nemo --input-json-manifests train.json val.json \
        --output-json-manifest-root predicted

A manifest has ``audio_filepath`` and ``text`` (or ``normalized_text``), and for several speakers ``speaker``. The
output folder gets ``mels/`` and, of each manifest, one with ``mel_filepath``, for ``train.py data=predicted``. As in
NeMo's own script of this name, which its wheel doesn't have. What fails is left out and listed at the end, and the exit
code is 1.
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

from vocos_plugins.mel import MelConvention


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Writes mels predicted with the recordings' own durations.")
    parser.add_argument("--fastpitch-model-ckpt", type=Path, required=True, help=".nemo or .ckpt")
    parser.add_argument("--input-json-manifests", type=Path, nargs="+", required=True)
    parser.add_argument("--output-json-manifest-root", type=Path, required=True)
    parser.add_argument("--cpu", action="store_true", help="although there is a GPU")
    given = parser.parse_args(arguments)
    device = "cuda" if torch.cuda.is_available() and not given.cpu else "cpu"
    model = load_model(given.fastpitch_model_ckpt).eval().to(device)
    failures = []
    for manifest in given.input_json_manifests:
        failures += process_manifest(model, manifest, given.output_json_manifest_root)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def load_model(path: Path) -> Any:
    """A FastPitch that learnt its own alignment, without which a recording's durations aren't known."""
    load = FastPitchModel.restore_from if path.suffix == ".nemo" else FastPitchModel.load_from_checkpoint
    model = load(str(path), map_location="cpu")
    if not model.learn_alignment:
        raise SystemExit(f"{path} has no aligner (learn_alignment is false): durations of recordings aren't known")
    return model


def process_manifest(model: Any, manifest: Path, root: Path) -> list[str]:
    """Writes mels and the new manifest; gives what failed, which is left out."""
    mel, failures, lines = from_nemo(model.cfg.preprocessor), [], []
    folder = root / "mels" / manifest.stem
    folder.mkdir(parents=True, exist_ok=True)
    entries = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines() if line.strip()]
    for number, entry in enumerate(tqdm(entries, desc=manifest.name)):
        audio_path = (manifest.parent / Path(entry["audio_filepath"]).expanduser()).resolve()
        mel_path = (folder / f"{number:06d}_{audio_path.stem}.npy").resolve()
        try:
            predicted = predict(model, entry, read_audio(audio_path, mel.sample_rate), mel, mel_path)
            np.save(mel_path, predicted.cpu().numpy())
        except (ValueError, KeyError, OSError) as error:
            failures.append(f"{manifest}, entry {number + 1}, {audio_path}: {error}")
            continue
        lines.append(json.dumps({**entry, "audio_filepath": str(audio_path), "mel_filepath": str(mel_path)}))
    (root / f"{manifest.stem}_mel.json").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return failures


@torch.no_grad()
def predict(model: Any, entry: dict[str, Any], audio: Tensor, mel: MelConvention, path: Path) -> Tensor:
    """The mel ``(n_mels, T)`` of an entry: a frame for each hop of its recording ``(N,)``."""
    given = entry.get("normalized_text")
    tokens = model.parse(entry["text"] if given is None else given, normalize=given is None)
    length = torch.tensor([len(audio)], device=model.device)
    spec, frames = model.preprocessor(input_signal=audio[None].to(model.device), length=length)
    spec = spec[..., : int(frames)]  # NeMo 2.5 and newer fill the last frame with padding
    if spec.shape[-1] < tokens.shape[-1]:
        raise ValueError(f"{tokens.shape[-1]} tokens can't be aligned with {spec.shape[-1]} frames")
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
