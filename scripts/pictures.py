"""Draws the pictures in docs/pictures from the package's own code and the shipped speech.

python scripts/pictures.py            # writes them
python scripts/pictures.py FOLDER     # writes them to a folder, to compare
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import soundfile
import soxr
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from training_curves import training_curves

from vocos_plugins import MelConvention, MelSpectrogram, Vocos, align
from vocos_plugins.mel.speech import CLIP_FOLDER
from vocos_plugins.plugins import mel_conventions

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
SECONDS = 2.0
SHOWN = (
    ("vocos-22khz", "ln, 80 bands to 8 kHz"),
    ("matcha-tts-ljspeech", "the same, normalized"),
    ("espnet-ljspeech", "log10, 80 Hz to 7.6 kHz"),
    ("coqui-default", "decibels, -100..0 scaled to -4..4"),
    ("nemo-fastpitch-dataset-22khz", "ln(1 + x), no filter norm"),
    ("vocos-24khz", "100 bands, HTK scale, no filter norm"),
)
MISTAKEN = ("espnet-ljspeech", "matcha-tts-ljspeech", "coqui-default", "nemo-fastpitch-dataset-22khz")
LOSSY = (("speecht5", PURPLE), ("coqui-default", BLUE), ("bigvgan-24khz-100band", GREEN), ("cosyvoice-2", ORANGE))


def speech(sample_rate: int) -> Tensor:
    """Returns two seconds of a shipped clip, ``(1, N)``."""
    samples, rate = soundfile.read(CLIP_FOLDER / "arctic-1.flac", dtype="float32")
    resampled = soxr.resample(samples, rate, sample_rate)[: int(SECONDS * sample_rate)]
    return torch.from_numpy(np.ascontiguousarray(resampled))[None]


def mel_of(convention: MelConvention) -> Tensor:
    """Returns the mel of that speech, ``(1, n_mels, T)``."""
    return MelSpectrogram(convention)(speech(convention.sample_rate))


def conventions(_: Vocos) -> Figure:
    """Draws the same speech in six conventions, on one colour scale."""
    figure, grid = plt.subplots(2, 3, figsize=(9.6, 4.6), layout="constrained", sharex=True)
    for axes, (name, what) in zip(grid.flat, SHOWN, strict=True):
        mel = mel_of(mel_conventions()[name])[0]
        picture = axes.imshow(
            mel, origin="lower", aspect="auto", vmin=-11.5, vmax=5, cmap="magma", extent=(0, SECONDS, 0, len(mel))
        )
        axes.set_title(f"{name}\n{what}", fontsize=9)
    for axes in grid[:, 0]:
        axes.set_ylabel("band")
    for axes in grid[-1]:
        axes.set_xlabel("seconds")
    figure.colorbar(picture, ax=grid, label="value in the mel", shrink=0.8)
    return figure


def framing(_: Vocos) -> Figure:
    """Draws the windows of the two framings over time."""
    figure, grid = plt.subplots(2, 1, figsize=(9.6, 3.4), layout="constrained", sharex=True)
    hop, length = 256, 1024
    window = torch.hann_window(length).numpy()
    for axes, name, offset, colour in zip(grid, ("center", "same"), (0, hop // 2), (BLUE, ORANGE), strict=True):
        for frame in range(5):
            middle = offset + frame * hop
            axes.plot(np.arange(length) + middle - length // 2, window, color=colour, alpha=0.35 + 0.15 * (frame == 0))
            axes.plot([middle, middle], [0, 1], color=colour, linewidth=1.5)
            axes.text(middle, 1.06, f"{frame}", ha="center", color=colour, fontsize=9)
        axes.axvspan(-length // 2, 0, color="0.92")
        axes.text(-length // 2 + 8, 0.8, "before the\nrecording", color="0.4", fontsize=8)
        axes.set(ylabel=name, yticks=[], ylim=(0, 1.28), xlim=(-length // 2, 4 * hop + length // 2))
        axes.set_xticks(range(-512, 1537, 256))
    grid[1].set_xlabel("sample; the line numbered t is the center of frame t, a hop is 256 samples")
    return figure


def wrong_mels(vocos: Vocos) -> Figure:
    """Draws the bundled model's output for the mels of four other conventions, unconverted and aligned."""
    figure, grid = plt.subplots(
        2, len(MISTAKEN) + 1, figsize=(9.6, 4.6), layout="constrained", sharex=True, sharey=True
    )
    right = vocos.decode(mel_of(vocos.mel))[0]
    spectrogram(grid[0, 0], right, "its own mel")
    grid[1, 0].axis("off")
    for column, name in enumerate(MISTAKEN, start=1):
        mel, convention = mel_of(mel_conventions()[name]), mel_conventions()[name]
        plain, aligned = vocos.decode(mel)[0], vocos.decode(mel, source=convention)[0]
        spectrogram(grid[0, column], plain, f"{name},\nunconverted, {level(plain, right)}")
        spectrogram(grid[1, column], aligned, f"aligned, {level(aligned, right)}")
    for axes in (grid[0, 0], grid[1, 1]):
        axes.set_ylabel("kHz")
    for axes in grid[1, 1:]:
        axes.set_xlabel("seconds")
    return figure


def spectrogram(axes: Axes, audio: Tensor, title: str) -> None:
    """Draws the spectrogram of audio at 22.05 kHz, ``(N,)``, with a range of 80 dB."""
    spectrum = torch.stft(audio, 512, 128, window=torch.hann_window(512), return_complex=True).abs()
    decibels = 20 * (spectrum / spectrum.max()).clamp_min(1e-4).log10()
    axes.imshow(decibels, origin="lower", aspect="auto", cmap="magma", vmin=-80, vmax=0, extent=(0, SECONDS, 0, 11.025))
    axes.set_title(title, fontsize=8)


def level(audio: Tensor, reference: Tensor) -> str:
    """Returns how much louder the audio is than the reference, as text."""
    decibels = round(10 * float((audio.square().mean() / reference.square().mean()).log10()))
    return f"{decibels} dB louder" if decibels else "equally loud"


def alignment_error(vocos: Vocos) -> Figure:
    """Draws the error that `align` estimates for lossy pairs, band by band."""
    figure, axes = plt.subplots(figsize=(9.6, 3.4), layout="constrained")
    bank = vocos.mel.filterbank()
    middles = bank.argmax(0) * vocos.sample_rate / vocos.mel.n_fft / 1000
    for name, colour in LOSSY:
        error = align(mel_conventions()[name], vocos.mel).error
        axes.plot(middles, error.per_band, color=colour, label=f"{name}, mean {error.mean:.2f}")
    axes.set(xlabel="center of the band, kHz", ylabel="mean error, nepers", ylim=(0, None))
    axes.legend(title=f"to {vocos.mel.name}", frameon=False)
    return figure


def chunks(vocos: Vocos) -> Figure:
    """Draws the boundary between chunks that are decoded on their own, and the same moment of a stream."""
    mel = mel_of(vocos.mel)
    size, hop = 40, vocos.hop_length
    with vocos.streaming() as stream:
        streamed = torch.cat([*(stream(chunk) for chunk in mel.split(size, dim=2)), stream.flush()], dim=1)[0]
    # With center framing, the audio is one hop shorter than its frames; a player would fill the gap with silence.
    pieces = [torch.nn.functional.pad(vocos.decode(chunk)[0], (0, hop)) for chunk in mel.split(size, dim=2)]
    alone = torch.cat(pieces)
    border = 2 * size * hop
    shown = slice(border - 700, border + 500)
    milliseconds = (np.arange(shown.start, shown.stop) - border) / vocos.sample_rate * 1000
    figure, grid = plt.subplots(2, 1, figsize=(9.6, 3.6), layout="constrained", sharex=True, sharey=True)
    for axes, audio, name, colour in zip(
        grid, (alone, streamed), ("chunk by chunk", "vocos.streaming()"), (ORANGE, BLUE), strict=True
    ):
        axes.plot(milliseconds, audio[shown], color=colour, linewidth=1)
        axes.axvline(0, color="0.6", linestyle=":")
        axes.set_title(name, fontsize=9, loc="left")
    grid[1].set_xlabel("milliseconds from the boundary between two chunks")
    return figure


def checkpoint(_: Vocos) -> Figure:
    """Draws what `Vocos.from_pretrained` does with a name."""
    figure, axes = plt.subplots(figsize=(9.6, 3.2), layout="constrained")
    axes.set(xlim=(0, 100), ylim=(0, 34))
    axes.axis("off")
    sources = ("a directory", "a bundled name", "a repository on the hub,\nat the commit of its card")
    for y, text in zip((29, 17, 5), sources, strict=True):
        box(axes, 12, y, text, BLUE)
    box(axes, 47, 26, "config.yaml\nnames from a closed table", GREEN)
    box(axes, 47, 8, "model.safetensors\ntensors, no code", GREEN)
    box(axes, 84, 17, "Vocos\nall keys present, all shapes right,\nfilterbank matches the mel", ORANGE)
    for y in (29, 17, 5):
        axes.plot([24, 27], [y, y], [27, 27], [y, 17], color="0.4", linewidth=1)
    arrow(axes, (27, 17), (32, 24))
    arrow(axes, (27, 17), (32, 10))
    for y in (26, 8):
        arrow(axes, (62, y), (69, 17 + (y - 17) / 6))
    return figure


def box(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    """Draws a framed text around a point."""
    frame = {"boxstyle": "round,pad=0.7", "facecolor": "white", "edgecolor": colour, "linewidth": 1.5}
    axes.text(x, y, text, ha="center", va="center", bbox=frame)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draws an arrow from one point to another."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "0.4"})


PICTURES = {
    "conventions.png": conventions,
    "framing.svg": framing,
    "wrong-mels.png": wrong_mels,
    "alignment-error.svg": alignment_error,
    "chunks.png": chunks,
    "checkpoint.svg": checkpoint,
    "training.svg": lambda _: training_curves(),
}


def save(figure: Figure, path: Path) -> None:
    """Saves a figure reproducibly; spectrograms use 64 colours, which takes a third of the space."""
    if path.suffix == ".svg":
        figure.savefig(path, metadata={"Date": None})
    else:
        figure.canvas.draw()
        picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
        picture.quantize(64, method=Image.Quantize.MEDIANCUT).save(path, optimize=True)
    plt.close(figure)


def main() -> int:
    warnings.simplefilter("ignore")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "vocos-plugins", "font.size": 9, "figure.dpi": 90})
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    vocos = Vocos.from_pretrained("vocos-mel-22khz-small", precision="float32")
    for name, draw in PICTURES.items():
        save(draw(vocos), folder / name)
    return 0


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(main())
