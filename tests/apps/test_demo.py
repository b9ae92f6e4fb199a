"""The report page."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.apps import demo as report
from vocos_plugins.apps.demo import write_report
from vocos_plugins.config import ISTFT, ConvNeXt, EncodecCodes, VocosConfig
from vocos_plugins.evaluation import measures
from vocos_plugins.evaluation.comparison import ClipResult, run_clip
from vocos_plugins.evaluation.report import note_on_top_band
from vocos_plugins.evaluation.systems import build_systems
from vocos_plugins.inference import windows
from vocos_plugins.mel.speech import CLIPS

RATE = 16000
HOP = 128
N_SAMPLES = 60 * HOP + 50


class Page(HTMLParser):
    """Collects the page's resources, text and unclosed tags."""

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                self.sources.setdefault(tag, []).append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def vocos() -> Vocos:
    """An untrained model of a few thousand parameters."""
    mel = MelConvention(
        name="tiny", sample_rate=RATE, n_fft=512, win_length=512, hop_length=HOP, n_mels=20, f_max=6000.0
    )
    torch.manual_seed(0)
    return Vocos(
        VocosConfig(
            features=mel,
            backbone=ConvNeXt(dim=8, intermediate_dim=16, num_layers=1),
            head=ISTFT(n_fft=512, hop_length=HOP),
        ),
        provenance={"steps": 7, "data": ["<one>", "two"], "loss": {"mel": 45}},
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of a buzz, in a file whose name would break careless HTML."""
    path = tmp_path_factory.mktemp("clips") / "a <b> & $c.wav"
    time = np.arange(N_SAMPLES) / RATE
    soundfile.write(path, 0.3 * np.sign(np.sin(2 * np.pi * 120 * time)), RATE)
    return path


@pytest.fixture(scope="module")
def written(vocos: Vocos, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on that clip."""
    return write_report(vocos, tmp_path_factory.mktemp("report") / "new", clips=[clip], name="tiny & new")


@pytest.fixture(scope="module")
def read(written: Path) -> Page:
    """The same, parsed."""
    return Page(written.read_text(encoding="utf-8"))


def test_page_stands_alone(written: Path, read: Page) -> None:
    """Everything it shows or plays is inside it, nothing else lies beside it, and its tags are closed."""
    assert written.name == "report.html"
    assert list(written.parent.iterdir()) == [written]
    sources = [source for found in read.sources.values() for source in found]
    assert len(sources) >= 6
    assert all(source.startswith("data:") for source in sources)
    text = written.read_text(encoding="utf-8")
    assert not re.search(r"https?:|@import|url\(|<script", text)
    assert read.open == []


def test_audio_decodes_to_the_right_lengths(read: Page) -> None:
    """The original whole, both vocoders to whole frames; the original sample for sample."""
    signals = [
        soundfile.read(io.BytesIO(base64.b64decode(source.removeprefix("data:audio/flac;base64,"))))
        for source in read.sources["audio"]
    ]
    assert [rate for _, rate in signals] == [RATE] * 3
    assert [len(audio) for audio, _ in signals] == [N_SAMPLES, 60 * HOP, 60 * HOP]
    assert np.abs(signals[0][0]).max() == pytest.approx(0.3, abs=2**-14)
    assert np.abs(signals[1][0]).max() > 0.05


def test_pictures_are_png(read: Page) -> None:
    """One each for original, Griffin-Lim and Vocos."""
    pictures = [base64.b64decode(source.removeprefix("data:image/png;base64,")) for source in read.sources["img"]]
    assert len(pictures) == 3
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert len(set(pictures)) == 3


def test_page_says_what_it_shows(read: Page, clip: Path) -> None:
    """Clip, mel, training, machine; names are escaped."""
    for phrase in (
        clip.name,
        "20 bands, 16 kHz, 128 samples per frame",
        "ends at 6 kHz",
        "32 iterations",
        "Model tiny & new",
        "Trained: steps 7",
        "<one>, two",
        "mel: 45",
        torch.__version__,
    ):
        assert phrase in read.text


def test_missing_packages_leave_a_hint(
    vocos: Vocos, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page comes without the marks, and says how to get them."""
    monkeypatch.setattr(measures, "find_spec", lambda _: None)
    text = Page(write_report(vocos, tmp_path, clips=[clip]).read_text(encoding="utf-8")).text
    assert "pesq, stoi (not installed; pip install 'vocos-plugins[eval]')" in text
    assert "STOI" not in text


def test_with_the_packages_there_is_no_hint(read: Page) -> None:
    """The hint is only for who needs it."""
    assert ("pip install" in read.text) == bool(measures.choose(report.MEASURES)[1])


def test_shipped_clips_are_the_default(
    vocos: Vocos, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no clips given, all of ours are compared, and progress is told from none to all."""
    compared, told = [], []
    ready = run_clip(build_systems({"Vocos": vocos}), report.Clip.from_path(clip), ())

    def record(_systems: object, shown: object, *_measures: object, rounds: int) -> ClipResult:
        compared.append(shown)
        return ready

    monkeypatch.setattr(report, "run_clip", record)
    write_report(vocos, tmp_path, progress=lambda done, total: told.append((done, total)))
    assert compared == list(CLIPS)
    assert told == [(done, len(CLIPS)) for done in range(len(CLIPS) + 1)]


def test_a_failure_leaves_the_old_page(
    vocos: Vocos, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong while writing, the folder holds what it held before."""
    (tmp_path / "report.html").write_text("old")

    def fail(self: Path, target: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(vocos, tmp_path, clips=[clip])
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "old"


@pytest.mark.parametrize("n_samples", [0, 100])
def test_a_clip_that_cannot_be_used_is_named(vocos: Vocos, tmp_path: Path, n_samples: int) -> None:
    """Empty or too short for one frame; no page is written."""
    soundfile.write(tmp_path / "scrap.wav", np.zeros(n_samples), RATE)
    with pytest.raises(ValueError, match=r"scrap\.wav"):
        write_report(vocos, tmp_path / "out", clips=[tmp_path / "scrap.wav"])
    assert not list((tmp_path / "out").glob("*"))


def test_threads_are_given_back(vocos: Vocos, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are of one thread; afterwards the caller has as many as before, also when a clip fails."""
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    decode = windows.decode_every_frame
    counted = lambda *given, **options: (seen.append(torch.get_num_threads()), decode(*given, **options))[1]  # noqa: E731
    monkeypatch.setattr(windows, "decode_every_frame", counted)
    try:
        write_report(vocos, tmp_path, clips=[clip])
        assert set(seen) == {1}
        assert torch.get_num_threads() == 2
        with pytest.raises(OSError, match="missing"):
            write_report(vocos, tmp_path, clips=[tmp_path / "missing.wav"])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_no_clips_and_no_mel_are_refused(vocos: Vocos, tmp_path: Path) -> None:
    """Both before any work is done."""
    with pytest.raises(ValueError, match="no clips"):
        write_report(vocos, tmp_path, clips=[])
    codes = EncodecCodes(
        sample_rate=RATE,
        hop_length=HOP,
        bandwidths=(RATE / HOP * 2 / 1000,),
        n_codebooks=1,
        codebook_size=4,
        codebook_dim=4,
    )
    encodec = Vocos(VocosConfig(features=codes, backbone=vocos.config.backbone, head=vocos.config.head))
    with pytest.raises(ValueError, match="EnCodec"):
        write_report(encodec, tmp_path)


def test_top_band_is_noted_only_where_the_mel_ends_early(vocos: Vocos) -> None:
    """A mel up to the Nyquist frequency needs no warning."""
    full = MelConvention(sample_rate=RATE, n_fft=512, win_length=512, hop_length=HOP, n_mels=20)
    assert note_on_top_band(full) == ""
    assert "6 kHz" in note_on_top_band(vocos.mel)


def test_importing_the_package_does_not_import_the_demo() -> None:
    """Whoever only decodes doesn't pay for the report."""
    code = "import sys, vocos_plugins; print([name for name in sys.modules if 'demo' in name or 'griffin' in name])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "vocos_plugins" not in found.stdout
