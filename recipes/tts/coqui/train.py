"""Trains an acoustic model with Coqui TTS's trainer on a corpus with known durations.

    python recipes/tts/coqui/train.py --config_path recipes/tts/coqui/fastspeech2.json --corpus CORPUS

It takes what ``python -m TTS.bin.train_tts`` takes, ``--continue_path RUN`` among it, and the corpus besides. It
differs in two things. FastSpeech2's last layer starts at the mean mel, which takes hundreds of steps to learn. And a
batch is sorted by length twice in Coqui TTS 0.28 where it has attention masks (``TTSDataset.collate_fn`` applies
``ids_sorted_decreasing`` to what is sorted already), which gives each sentence the durations of another. Batches that
come sorted are spared that.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from corpus import configure
from trainer import Trainer, TrainerArgs
from TTS.tts.datasets import load_tts_samples
from TTS.tts.models import setup_model

N_RECORDINGS = 50


@dataclass
class Arguments(TrainerArgs):
    """The trainer's arguments, and the corpus."""

    config_path: str = field(default="", metadata={"help": "configuration"})
    corpus: str = field(default="", metadata={"help": "folder of make_corpus.py, after align.py"})


def sort_batches(model: Any) -> None:
    """Lets a model's loaders give batches that are sorted by their number of symbols, longest first."""
    get_loader: Callable[..., Any] = model.get_data_loader

    def get_sorted_loader(*arguments: Any, **options: Any) -> Any:
        loader = get_loader(*arguments, **options)
        collate = loader.collate_fn
        loader.collate_fn = lambda batch: collate(sorted(batch, key=lambda item: -len(item["token_ids"])))
        return loader

    model.get_data_loader = get_sorted_loader


def start_at_the_mean(model: Any, samples: list[dict[str, Any]]) -> None:
    """Lets the last layer of a model's decoder give the mean mel of some recordings, and vary as much as they do."""
    audio = model.ap
    mels = [audio.melspectrogram(audio.load_wav(sample["audio_file"])) for sample in samples[:N_RECORDINGS]]
    frames = torch.cat([torch.as_tensor(mel, dtype=torch.float32) for mel in mels], dim=1)
    last = model.decoder.decoder.postnet[-1]
    with torch.no_grad():
        last.bias.copy_(frames.mean(dim=1))
        last.weight.mul_(frames.std(dim=1)[:, None, None])


def main() -> None:
    args = Arguments()
    overrides = args.parse_known_args(arg_prefix="")
    path = Path(args.continue_path, "config.json") if args.continue_path else Path(args.config_path)
    config = configure(path, Path(args.corpus))
    config.parse_known_args(overrides, relaxed_parser=True)
    train_samples, eval_samples = load_tts_samples(config, eval_split=True)
    model = setup_model(config)
    sort_batches(model)
    if config.model == "fastspeech2" and not (args.continue_path or args.restore_path):
        start_at_the_mean(model, train_samples)
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f" > {n_parameters / 1e6:.2f} M parameters")
    Trainer(
        args,
        model.config,
        config.output_path,
        model=model,
        train_samples=train_samples,
        eval_samples=eval_samples,
        parse_command_line_args=False,
    ).fit()


if __name__ == "__main__":
    main()
