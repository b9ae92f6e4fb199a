"""Every measure of the table on speech that gets worse, and the reasons if one can't be taken."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from vocos_plugins.evaluation import measures, pitch
from vocos_plugins.evaluation.measures import MEASURES, Measure, Score, choose
from vocos_plugins.mel.speech import CLIPS

# In one process: the packages load networks and compile functions, which takes ten seconds and more each.
pytestmark = pytest.mark.xdist_group("measures")

RATE = 16000
SLOW_SAMPLES = 4800  # slow measures get 0.3 s
# Values of equal signals, where the mappings of PESQ and ViSQOL end; ViSQOL's lattice depends a little on the clip.
BEST = {
    "pesq": pytest.approx(4.644, abs=0.001),
    "stoi": pytest.approx(1.0, abs=1e-6),
    "visqol-speech": pytest.approx(4.5, abs=0.1),
    "visqol-audio": pytest.approx(4.732, abs=0.01),
    "vuv-f1": 1.0,
}
# Two levels of noise, dB SNR. ViSQOL's speech mode reaches its floor at 20 dB; voicing survives strong noise.
NOISES = {"visqol-speech": ("40", "20"), "periodicity": ("10", "-5"), "vuv-f1": ("10", "-5")}
# Bands near 8 kHz contain the resampler's edge, which weighs more in a logarithm.
RESAMPLING_TOLERANCE = {"pesq": 0.03, "stoi": 0.005, "mcd": 0.1}
INSTALLED = [measure for measure in MEASURES if all(find_spec(package) for package in measure.packages)]
BY_NAME = {measure.name: measure for measure in MEASURES}

Audio = NDArray[np.float32]
every_measure = pytest.mark.parametrize("measure", INSTALLED, ids=lambda measure: measure.name)


@pytest.fixture(scope="module")
def speech() -> Audio:
    """3.1 s of speech at 16 kHz."""
    audio: Audio = soundfile.read(CLIPS[0].path, dtype="float32")[0]
    return audio


@pytest.fixture(scope="module")
def worsen(speech: Audio) -> Callable[[str], Audio]:
    """Returns the clip unchanged, with white noise at an SNR in dB, or with random phases."""

    def make(way: str) -> Audio:
        generator = np.random.default_rng(0)
        if way == "clean":
            return speech
        if way == "phase":
            import torch

            window = torch.hann_window(512)
            spectrum = torch.stft(torch.from_numpy(speech), 512, 128, window=window, return_complex=True)
            turns = torch.from_numpy(generator.uniform(0, 2 * np.pi, spectrum.shape)).float()
            mixed = torch.istft(torch.polar(spectrum.abs(), turns), 512, 128, window=window, length=len(speech))
            result: Audio = mixed.numpy()
            return result
        level = np.sqrt(np.mean(speech**2)) * 10 ** (-float(way) / 20)
        noisy: Audio = (speech + level * generator.standard_normal(len(speech))).astype(np.float32)
        return noisy

    return functools.cache(make)


@pytest.fixture(scope="module")
def score(speech: Audio, worsen: Callable[[str], Audio]) -> Callable[[str, str], float]:
    """Returns a measure's value for the clip made worse in one way; each is computed once."""

    def take(name: str, way: str) -> float:
        measure = BY_NAME[name]
        cut = slice(RATE, RATE + SLOW_SAMPLES) if measure.slow else slice(None)
        result = measure(speech[cut], worsen(way)[cut], RATE)
        assert result.value is not None, result.reason
        return result.value

    return functools.cache(take)


def test_table_is_sound() -> None:
    """Names are unique, and three measures need no package."""
    assert len(BY_NAME) == len(MEASURES) == 12
    assert {measure.name for measure in MEASURES if not measure.packages} == {"mr-stft", "mel", "mcd"}


@every_measure
def test_equal_signals_get_the_best_mark(measure: Measure, score) -> None:
    """A measure that compares with the recording recognizes a perfect copy."""
    if measure.needs_reference:
        assert score(measure.name, "clean") == BEST.get(measure.name, 0.0)


@every_measure
def test_more_noise_is_worse(measure: Measure, score) -> None:
    """Clean is better than 20 dB, which is better than 5 dB, in the table's direction."""
    values = [score(measure.name, way) for way in ("clean", *NOISES.get(measure.name, ("20", "5")))]
    assert values == sorted(values, reverse=measure.higher_is_better)
    assert len(set(values)) == 3


@every_measure
def test_random_phase_is_worse(measure: Measure, score) -> None:
    """A broken phase lowers the score; PLCMOS rates something else, and slow measures are skipped."""
    if measure.name == "plcmos" or measure.slow:
        return
    clean, phase = (score(measure.name, way) for way in ("clean", "phase"))
    assert (phase < clean) == measure.higher_is_better


@every_measure
@pytest.mark.parametrize("n_samples", [0, 100, 3000])
@pytest.mark.parametrize("gain", [0.0, 0.1])
def test_scraps_and_silence_do_not_raise(measure: Measure, n_samples: int, gain: float) -> None:
    """The score is a finite number, or missing with a reason."""
    scrap = gain * np.random.default_rng(0).normal(size=n_samples).astype(np.float32)
    result = measure(scrap, scrap, RATE)
    assert (result.value is None) == bool(result.reason)
    assert (gain and n_samples) or result.value is None


@every_measure
def test_a_silent_vocoder_does_not_end_the_run(measure: Measure, speech: Audio) -> None:
    """Silence instead of speech gets a number or a reason."""
    cut = speech[RATE : RATE + SLOW_SAMPLES] if measure.slow else speech
    result = measure(cut, np.zeros_like(cut), RATE)
    assert (result.value is None) == bool(result.reason)


@pytest.mark.parametrize("name", [name for name in RESAMPLING_TOLERANCE if BY_NAME[name] in INSTALLED])
def test_any_sample_rate_is_brought_to_the_measure_s(name: str, speech: Audio, worsen) -> None:
    """The same pair at 24 kHz gets the same score, up to the resampler's edge at 8 kHz; a longer signal is cut."""
    pair = (speech, worsen("20"))
    at_16 = BY_NAME[name](*pair, RATE).value
    there = [soxr.resample(signal, RATE, 24000) for signal in pair]
    assert BY_NAME[name](there[0], there[1][:-100], 24000).value == pytest.approx(at_16, rel=RESAMPLING_TOLERANCE[name])


def test_mel_cepstral_distortion_is_in_decibels(speech: Audio) -> None:
    """A gain changes only c_0, which doesn't count; an envelope that swings by 6 dB costs 6 / sqrt(2) dB."""
    import torch

    from vocos_plugins.evaluation import distances

    order = distances._cosines(80, 13)
    swing = 6 / 20 * np.log(10) * torch.cos(torch.pi / 80 * (torch.arange(80) + 0.5) * 3)
    assert torch.matmul(order, swing + 1.0).square().mul(2).sum().sqrt() * 10 / np.log(10) == pytest.approx(
        6 / np.sqrt(2), rel=1e-4
    )
    assert distances.mel_cepstral_distortion(speech, 2 * speech, RATE) < 0.2


def test_voicing_needs_a_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """F1 counts frames that are voiced in one signal only; without voiced frames it raises an error."""
    tracks = {1.0: np.array([0.9, 0.9, 0.0, 0.1]), 2.0: np.array([0.9, 0.0, 0.3, 0.1]), 3.0: np.zeros(4)}
    monkeypatch.setattr(pitch, "periodicity", lambda audio, _: tracks[float(audio[0])])
    one, two, none = (np.full(1, key) for key in tracks)
    assert pitch.voicing_f1(one, two, RATE) == 0.5
    assert pitch.periodicity_error(one, two, RATE) == pytest.approx(np.sqrt((0.81 + 0.09) / 4))
    with pytest.raises(ValueError, match="voiced"):
        pitch.voicing_f1(none, none, RATE)


@pytest.mark.parametrize(
    ("compute", "reason"),
    [
        (lambda *_: float("nan"), "it returned nan"),
        (lambda *_: int("nothing"), "ValueError: invalid literal"),
        (lambda *_: float(np.float64(1) / np.float64(0)), "RuntimeWarning"),
    ],
)
def test_a_measure_that_fails_says_why(compute, reason: str, capsys) -> None:
    """The score has the reason, and the measure's own output isn't printed."""

    def noisy(*arguments: object) -> float:
        print("weights loaded")  # noqa: T201
        return compute(*arguments)

    result = Measure(name="a", title="A", best="", compute=noisy)(np.ones(9), np.ones(9), RATE)
    assert result.value is None
    assert reason in result.reason
    assert capsys.readouterr().out == ""


def test_raters_are_the_same_each_time(worsen) -> None:
    """PLCMOS draws its raters at random; the wrapper fixes them and restores numpy's generator."""
    if BY_NAME["plcmos"] not in INSTALLED:
        pytest.skip("needs the extra `eval`")
    np.random.seed(5)
    expected = np.random.random(2)[1]
    np.random.seed(5)
    np.random.random()
    scores = {BY_NAME["plcmos"](worsen("20"), worsen("20"), RATE).value for _ in range(2)}
    assert len(scores) == 1
    assert np.random.random() == expected


def test_slow_measures_are_taken_on_request() -> None:
    """They are chosen by name or by ``all``."""
    slow = {measure.name for measure in INSTALLED if measure.slow}
    assert not slow & {measure.name for measure in choose()[0]}
    assert slow <= set(choose()[1])
    assert slow <= {measure.name for measure in choose(["all"])[0]}
    assert [measure.name for measure in choose(["mel", "mcd"])[0]] == ["mel", "mcd"]
    assert choose(["mel"])[1] == {}


def test_unknown_names_are_refused() -> None:
    """The error lists the known names."""
    with pytest.raises(ValueError, match=r"unknown measure mos; known are pesq, stoi.*and all"):
        choose(["mos"])


def test_without_packages_ours_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three measures work without packages; each missing one has the command that installs it."""
    monkeypatch.setattr(measures, "find_spec", lambda _: None)
    chosen, left_out = choose()
    assert [measure.name for measure in chosen] == ["mr-stft", "mel", "mcd"]
    assert "pip install 'vocos-plugins[eval]'" in left_out["pesq"]
    assert "--no-deps" in left_out["distillmos"]


def test_a_broken_package_is_left_out_once(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """A package that is installed but can't be imported is left out before the first file."""
    (tmp_path / "broken_measure.py").write_text("raise OSError('libtorch_cuda.so: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    broken = Measure(name="b", title="B", best="", packages=("broken_measure",), compute=lambda *_: 0.0)
    monkeypatch.setattr(measures, "MEASURES", (broken,))
    assert choose() == ((), {"b": "broken_measure is installed but can't be imported (libtorch_cuda.so: cannot open)"})


def test_importing_the_table_imports_no_package() -> None:
    """Packages are imported by the functions that use them, so that the table itself is cheap."""
    code = (
        "import sys, vocos_plugins.evaluation.measures; "
        "print({'pesq', 'visqol', 'librosa', 'torchcrepe', 'distillmos', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_score_of_nothing() -> None:
    """A silent recording has no score."""
    assert BY_NAME["mel"](np.zeros(9), np.ones(9), RATE) == Score(reason="the recording is silent")
