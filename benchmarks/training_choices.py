"""Compares training choices at equal CPU time: losses, widths, crops, data, schedules, averaging.

    python benchmarks/training_choices.py --data manifest.csv --recordings held-out --seconds 400 --out runs/choices
    python benchmarks/training_choices.py ... --lossy gcompris --lossy audiocmn --synthetic FOLDER
    python benchmarks/training_choices.py ... --only basis --only "width 192"

Each variant changes a key or two of recipes/lightning/vocos-mel-22khz-small.yaml, starts from random weights, and
trains on one thread until its process has used ``--seconds`` of CPU time. Prints the table of docs/training-log.md. A
variant that was already trained in the same folder is only measured.
"""

from __future__ import annotations

import argparse
import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from vocos_plugins import Vocos
from vocos_plugins.evaluation.comparison import run_clip
from vocos_plugins.evaluation.measures import Measure, Score, choose
from vocos_plugins.evaluation.systems import build_systems
from vocos_plugins.mel.speech import Clip
from vocos_plugins.storage.safe_files import read_yaml
from vocos_plugins.training.config import TrainingConfig
from vocos_plugins.training.sources import Recording, find_recordings
from vocos_plugins.training.stages import with_overrides

RECIPE = Path(__file__).parents[1] / "recipes" / "lightning" / "vocos-mel-22khz-small.yaml"
BASIS = "basis"
PASSES = 8
MEASURES = ("pesq", "visqol-speech")
HEADING = """| {:.0f} s of CPU time | steps | PESQ-wb | ViSQOL speech | PESQ-wb, {} passes | ViSQOL speech |
|---|--:|--:|--:|--:|--:|"""
FULL_BAND_HZ = 10500.0
SPLIT = "train"
NEVER = 1_000_000_000
Changes = Mapping[str, Any]


def variants(steps: int) -> dict[str, Changes]:
    """Returns each variant's changes to the basis, by dotted key; `steps` is the number that the basis reached."""
    passes = {"model.head.refinement_steps": 4}
    shallow = {**width(352), "model.backbone.num_layers": 4}  # as many weights, in half as many layers
    return {
        "another seed": {"run.seed": 1, "data.seed": 1},
        "mel loss alone": {"losses.phase": 0.0},
        "no amplitude prior": {"model.head.amplitude_prior": False},
        "discriminators from half of the steps on": {"losses.pretrain_steps": steps // 2},
        "through four passes": passes,
        "through four passes, 4 layers of 352": {**passes, **shallow},
        **{f"width {n}": width(n) for n in (192, 320)},
        "crops of 8,192, 12 per step": {"data.num_samples": 8192, "data.batch_size": 12},
        "crops of 24,576, 4 per step": {"data.num_samples": 24576, "data.batch_size": 4},
        "rate 5e-4": {"optimization.learning_rate": 5e-4},
        "rate falling over the last 30 %": {"optimization.decay_share": 0.3, "run.max_steps": steps},
        "rate falling as a cosine": {"optimization.schedule": "cosine", "run.max_steps": steps},
        "no averaging": {"optimization.ema_decay": 0.0},
    }


def width(n: int) -> Changes:
    """Returns the changes for a backbone of ``n`` channels, in the recipe's proportions."""
    return {"model.backbone.dim": n, "model.backbone.intermediate_dim": 3 * n}


def mixes(args: argparse.Namespace) -> dict[str, Changes]:
    """Returns the variants with other data, and writes their manifests."""
    recordings = find_recordings(args.data, SPLIT)
    found = {"without what ends below 10.5 kHz": [r for r in recordings if (r.bandwidth_hz or NEVER) > FULL_BAND_HZ]}
    if args.lossy:
        clean = [r for r in recordings if not any(name in str(r.path) for name in args.lossy)]
        found["without the lossy sources"] = clean
    if args.synthetic:
        found["and synthetic sentences"] = [*recordings, *find_recordings(args.synthetic)]
    return {name: {"data.train": [written(chosen, args.out / f"{name}.csv")]} for name, chosen in found.items()}


def basis(args: argparse.Namespace) -> dict[str, Any]:
    """Returns the bundled model's recipe from random weights, without passes or discriminators, at a constant rate."""
    config = {name: section for name, section in read_yaml(RECIPE).items() if name != "stages"}
    config["model"]["head"] |= {"refinement_steps": 0, "contrast": 1.0}
    config["data"] |= {"train": [str(args.data)], "cache_dir": str(args.out / "cache"), "num_workers": 0}
    config["losses"] |= {"pretrain_steps": NEVER}
    config["optimization"] |= {"learning_rate": 1e-3, "decay_share": 1e-9}
    config["run"] = {"max_steps": NEVER, "validate_every": NEVER, "save_every": NEVER}
    return config


def written(recordings: Sequence[Recording], manifest: Path) -> str:
    """Writes a manifest of these recordings, in the format of the recipe's ``train``, and returns its path."""
    with manifest.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "split", "bandwidth_hz"])
        rows.writerows([r.path.resolve(), SPLIT, r.bandwidth_hz or ""] for r in recordings)
    return str(manifest)


def trained(name: str, changes: Changes, args: argparse.Namespace) -> Path:
    """Returns the model of a variant, and trains it first if necessary."""
    out = args.out / name
    if not (out / "model").exists():
        out.mkdir(parents=True, exist_ok=True)
        config = with_overrides(basis(args), changes)
        (out / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        parsed = TrainingConfig.from_dict(config)
        parsed.data.train_dataset(
            parsed.model.features.sample_rate
        )  # fills the cache, so that decoding takes none of the time
        train(out, args.seconds)
    return out / "model"


def train(out: Path, seconds: float) -> None:
    """Trains until the process has used ``seconds`` of CPU time; SIGTERM makes it save."""
    vocos = [sys.executable, "-c", "from vocos_plugins.apps.cli.app import main; main()"]
    command = [*vocos, "train", str(out / "config.yaml"), "--out", str(out)]
    with (out / "output.txt").open("w") as output:
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=one_thread)
        while process.poll() is None:
            time.sleep(1)
            if processor_seconds(process.pid) > seconds:
                process.send_signal(signal.SIGTERM)
                process.wait()
    if not (out / "model").exists():
        raise SystemExit(f"{out.name} ended before it had saved anything; see {out / 'output.txt'}")


def processor_seconds(pid: int) -> float:
    """Returns the CPU time of a process from /proc; 0 once it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def row(name: str, model: Path, clips: Sequence[Clip], measures: Sequence[Measure]) -> str:
    """Returns one line of the table: mean measures as trained, and with refinement passes."""
    vocos = Vocos.from_pretrained(model, precision="float32")
    cells = [f"{vocos.provenance['steps']:,}"]
    for passes in (0, PASSES):
        vocos.set_refinement_steps(passes)
        systems = [system for system in build_systems({name: vocos}) if system.name == name]
        found = [run_clip(systems, clip, measures).renditions[name].scores for clip in clips]
        cells += [f"{mean(taken(scores[measure.name]) for scores in found):.2f}" for measure in measures]
    return f"| {name} | " + " | ".join(cells) + " |"


def taken(score: Score) -> float:
    """Returns a measure's value; a missing one ends the script."""
    if score.value is None:
        raise SystemExit(score.reason)
    return score.value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="manifest of the training data, with splits")
    parser.add_argument(
        "--recordings", type=Path, required=True, help="recordings to measure with: folder, list or manifest"
    )
    parser.add_argument("--seconds", type=float, default=400.0, help="of CPU time for each variant")
    parser.add_argument("--out", type=Path, default=Path("runs/choices"), help="folder for the training runs")
    parser.add_argument("--lossy", action="append", help="part of the path of sources that one variant leaves out")
    parser.add_argument("--synthetic", type=Path, help="synthetic sentences that one variant adds")
    parser.add_argument("--only", action="append", help="a variant, by its name in the table; can be repeated")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    measures, left_out = choose(MEASURES)
    if left_out:
        parser.error("; ".join(f"{name} can't be measured: {why}" for name, why in left_out.items()))
    clips = [Clip.from_path(recording.path) for recording in find_recordings(args.recordings)]
    steps = Vocos.from_pretrained(trained(BASIS, {}, args)).provenance["steps"]
    print(HEADING.format(args.seconds, PASSES))
    for name, changes in {BASIS: {}, **variants(steps), **mixes(args)}.items():
        if not args.only or name in args.only:
            print(row(name, trained(name, changes, args), clips, measures), flush=True)


if __name__ == "__main__":
    main()
