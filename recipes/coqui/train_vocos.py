"""Trains Vocos with Coqui TTS's trainer; copy it, or run it with one of the configurations in this folder.

    python recipes/coqui/train_vocos.py --config_path recipes/coqui/vocos-22khz.json --coqpit.data_path wavs

It takes the arguments of ``python -m TTS.bin.train_vocoder``, and differs in four points:

- it registers Vocos itself, so that `python -m trainer.distribute --script` can start it;
- values on the command line also apply when a run is continued;
- clips are paired with predicted mels by their paths below the two folders, and unmatched mels are an error;
- a run ends with its learning rate schedule, at ``T_max``, after which a cosine would rise again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import vocos_coqui  # noqa: F401 - makes "model": "vocos" known
from trainer import Trainer
from TTS.bin.train_vocoder import TrainVocoderArgs
from TTS.config import load_config
from TTS.vocoder.models import setup_model

SEED = 0  # for the choice of evaluation clips, as in TTS/vocoder/datasets/preprocess.py


def find_samples(data_path: str, feature_path: str | None) -> list[str] | list[tuple[str, str]]:
    """Finds all clips below ``data_path``, or, with ``feature_path``, pairs of clip and mel."""
    wavs = sorted(Path(data_path).rglob("*.wav"))
    if not wavs:
        raise SystemExit(f"{data_path or 'data_path'} has no .wav files: set data_path")
    if not feature_path:
        return [str(wav) for wav in wavs]
    mels = {path.relative_to(feature_path).with_suffix(""): path for path in Path(feature_path).rglob("*.npy")}
    pairs = [
        (str(wav), str(mels[name])) for wav in wavs if (name := wav.relative_to(data_path).with_suffix("")) in mels
    ]
    if len(pairs) < len(mels):
        raise SystemExit(f"{feature_path}: {len(mels) - len(pairs)} mels have no .wav of the same name in {data_path}")
    print(f" > {len(pairs)} of {len(wavs)} clips have predicted mels")
    return pairs


def count_epochs(config: Any, n_samples: int) -> int:
    """Returns the configured number of epochs, or less if the learning rate schedule ends earlier."""
    steps = config.lr_scheduler_gen_params.get("T_max")
    return config.epochs if steps is None else min(config.epochs, max(1, steps // -(-n_samples // config.batch_size)))


def main() -> None:
    args = TrainVocoderArgs()
    overrides = args.parse_known_args(arg_prefix="")
    path = args.config_path or Path(args.continue_path, "config.json")
    config, _ = Trainer.init_training(args, overrides, load_config(path))
    samples = find_samples(config.data_path, config.feature_path)
    # Always the same order: a continued run must not be evaluated on clips that it was trained on.
    np.random.default_rng(SEED).shuffle(samples)
    n_eval = config.eval_split_size
    config.epochs = count_epochs(config, len(samples) - n_eval)
    # The trainer parses the command line again, into arguments of its own.
    Trainer(
        TrainVocoderArgs(),
        config,
        config.output_path,
        model=setup_model(config),
        train_samples=samples[n_eval:],
        eval_samples=samples[:n_eval],
    ).fit()


if __name__ == "__main__":
    main()
