"""Trains an acoustic model with Coqui TTS's trainer on a corpus with known durations.

    python recipes/tts/coqui/train.py --config_path recipes/tts/coqui/fastspeech2.json --corpus CORPUS

It takes what ``python -m TTS.bin.train_tts`` takes, ``--continue_path RUN`` among it, and the corpus besides. It
differs in one thing. A batch is sorted by length twice in Coqui TTS 0.28 where it has attention masks
(``TTSDataset.collate_fn`` applies ``ids_sorted_decreasing`` to what is sorted already), which gives each sentence the
durations of another. Batches that come sorted are spared that.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpus import configure
from trainer import Trainer, TrainerArgs
from TTS.tts.datasets import load_tts_samples
from TTS.tts.models import setup_model


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


def main() -> None:
    args = Arguments()
    overrides = args.parse_known_args(arg_prefix="")
    path = Path(args.continue_path, "config.json") if args.continue_path else Path(args.config_path)
    config = configure(path, Path(args.corpus))
    config.parse_known_args(overrides, relaxed_parser=True)
    train_samples, eval_samples = load_tts_samples(config, eval_split=True)
    model = setup_model(config)
    sort_batches(model)
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
