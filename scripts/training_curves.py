"""The curves of the training log, from the measurements in docs/training-curves.csv."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

CURVES = Path(__file__).parents[1] / "docs" / "training-curves.csv"
MEASURES = {"pesq": "PESQ-wb", "distillmos": "DistillMOS", "mel": "loss: log mels", "phase": "loss: phase"}
COLOURS = {"vocos-mel-22khz-small": "#0072b2", "vocos-mel-16khz-small": "#d55e00"}


def training_curves() -> Figure:
    """Draws two measures of the held-out clips and two losses by step, with a dot for each measured model."""
    curves: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    with CURVES.open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            curves[row["measure"], row["model"]].append((int(row["step"]), float(row["value"])))
    figure, grid = plt.subplots(2, 2, figsize=(9.6, 5.0), layout="constrained", sharex=True)
    for axes, (measure, title) in zip(grid.flat, MEASURES.items(), strict=True):
        for model, colour in COLOURS.items():
            if points := sorted(curves[measure, model]):
                marker = "o" if measure in ("pesq", "distillmos") else ""
                axes.plot(*zip(*points, strict=True), color=colour, marker=marker, label=model)
        axes.set_title(title, fontsize=9)
        axes.grid(color="0.9")
    for axes in grid[1]:
        axes.set_xlabel("step, trained through refinement passes")
    grid[0, 0].legend(frameon=False, fontsize=8)
    return figure
