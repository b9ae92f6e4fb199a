"""The core's mel of each NeMo convention against NeMo's preprocessors, in both families and both framings."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from vocos_nemo.mel import CONVENTIONS, DEFAULT, from_nemo

from vocos_plugins.mel import MelSpectrogram

pytestmark = pytest.mark.xdist_group("nemo")

# With NeMo's filterbank: two units in the last place of a float32 log mel around -11, from the order of the sums.
SAME_FILTERBANK = 2e-6
# NeMo's filterbank is librosa's, rounded once from float64; the core's is built in float32, as torchaudio's.
OTHER_FILTERBANK = 5e-5
SIGNALS = ("arctic-1", "austen-1", "clipped", "silence", "impulse")


@pytest.fixture(scope="module")
def preprocessor(nemo):
    """Runs NeMo's preprocessor with options: its mel ``(B, n_mels, T)``, the lengths it reports, and its filterbank."""

    def build(options):
        options = dict(options)
        kind = options.pop("_target_").rpartition(".")[2]
        module = getattr(nemo, kind)(**options).eval()
        names = ("x", "seq_len") if kind == "FilterbankFeatures" else ("input_signal", "length")

        def compute(audio, *lengths):
            given = torch.tensor(lengths or [audio.shape[-1]] * len(audio))
            mel, n_frames = module(**dict(zip(names, (audio.clone(), given), strict=True)))
            return mel.detach(), n_frames.tolist()

        return SimpleNamespace(mel=compute, filterbank=module.filter_banks[0])

    return build


@pytest.fixture(scope="module")
def our_mel():
    """Computes the core's mel of a convention, with its own filterbank or another, ``(n_mels, n_fft // 2 + 1)``."""

    def compute(convention, audio, filterbank=None):
        front_end = MelSpectrogram(convention)
        if filterbank is not None:
            front_end.mel_scale.fb = filterbank.T
        return front_end(audio)

    return compute


def test_every_convention_is_a_recipe(recipes):
    """Each convention has a recipe to compare it with, and no two are equal."""
    assert [convention.name for convention in CONVENTIONS] == list(recipes)
    assert len(set(CONVENTIONS)) == len(recipes) == 10
    assert DEFAULT.name == "nemo-fastpitch-22khz"
    assert DEFAULT in CONVENTIONS


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda convention: convention.name)
def test_conventions_equal_nemo(convention, signal, recipe_options, preprocessor, our_mel, make_signal):
    """All frames equal NeMo's, which gets `length + hop` so that it keeps the last one; no frame is missing."""
    theirs = preprocessor(recipe_options(convention.name))
    audio = make_signal(signal, convention.sample_rate)
    expected, _ = theirs.mel(audio, audio.shape[1] + convention.hop_length)
    torch.testing.assert_close(our_mel(convention, audio, theirs.filterbank), expected, rtol=0, atol=SAME_FILTERBANK)
    torch.testing.assert_close(our_mel(convention, audio), expected, rtol=0, atol=OTHER_FILTERBANK)


@pytest.mark.parametrize("n_samples", [20480, 20481, 20735], ids=["whole-hops", "one-more", "one-less"])
@pytest.mark.parametrize("name", ["nemo-fastpitch-22khz", "nemo-hifigan-22khz", "nemo-hifigan-dataset-22khz"])
def test_the_overwritten_frame(name, n_samples, recipe_options, preprocessor, our_mel, make_signal):
    """With the true length, NeMo reports one frame less and overwrites the last with pad_value; the core keeps it."""
    convention = next(convention for convention in CONVENTIONS if convention.name == name)
    theirs = preprocessor(recipe_options(name))
    audio = make_signal("arctic-1", 22050)[:, 10000 : 10000 + n_samples]
    ours = our_mel(convention, audio, theirs.filterbank)
    masked, reported = theirs.mel(audio)
    true, _ = theirs.mel(audio, n_samples + convention.hop_length)
    n_frames = 80 if convention.framing == "same" else 81
    assert ours.shape == masked.shape == (1, 80, n_frames)
    assert reported == [n_frames - 1]
    assert (masked[..., -1] == convention.pad_value).all()
    torch.testing.assert_close(ours[..., :-1], masked[..., :-1], rtol=0, atol=SAME_FILTERBANK)
    torch.testing.assert_close(ours[..., -1], true[..., -1], rtol=0, atol=SAME_FILTERBANK)
    assert (ours[..., -1] - masked[..., -1]).abs().max() > 1


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda convention: convention.name)
def test_shorter_items_are_filled_with_pad_value(convention, recipe_options, preprocessor, our_mel, make_signal):
    """In a batch, each item has the frames that it has alone, followed by pad_value."""
    theirs = preprocessor(recipe_options(convention.name))
    hop = convention.hop_length
    audio = make_signal("arctic-1", convention.sample_rate)[:, : 60 * hop].repeat(2, 1)
    audio[1, 40 * hop :] = 0.0
    found, reported = theirs.mel(audio, 60 * hop, 40 * hop)
    alone = our_mel(convention, audio[1:, : 40 * hop], theirs.filterbank)
    assert reported[1] == alone.shape[-1] - 1
    torch.testing.assert_close(found[1, :, : reported[1]], alone[0, :, : reported[1]], rtol=0, atol=SAME_FILTERBANK)
    assert (found[1, :, reported[1] :] == convention.pad_value).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"use_grads": True},
        {"preemph": 0.97, "exact_pad": False},
        {"mag_power": 2.0},
        {"log": False},
        {"mel_norm": None},
        {"lowfreq": 80, "highfreq": 7600},
        {"window": "hamming"},
        {"n_window_size": 600},
        {"n_window_size": 700, "n_fft": None},
        {"log_zero_guard_value": "tiny"},
        {"log_zero_guard_type": "add", "log_zero_guard_value": "eps"},
        {"highfreq": 0},
        {"normalize": "NA"},
        {"dither": 0.1, "pad_to": 16, "stft_conv": True, "stft_exact_pad": True, "rng": None},
        {"nfilt": 100, "n_window_stride": 300, "exact_pad": False},
    ],
    ids="-".join,
)
def test_other_options_are_understood(changes, recipe_options, preprocessor, our_mel, make_signal):
    """Values that no recipe has, but a user's configuration may, mean what NeMo computes from them."""
    options = recipe_options("nemo-hifigan-22khz", **changes)
    convention, theirs = from_nemo(options), preprocessor(options)
    audio = make_signal("austen-1", 22050)
    expected, _ = theirs.mel(audio, audio.shape[1] + convention.hop_length)
    found = our_mel(convention, audio, theirs.filterbank)
    scale = max(1.0, float(expected.abs().max()) / 16)
    torch.testing.assert_close(found, expected[..., : found.shape[-1]], rtol=0, atol=SAME_FILTERBANK * scale)


@pytest.mark.parametrize(("window_stride", "hop_length", "exact_pad"), [(0.01162, 256, True), (0.0117, 257, False)])
def test_windows_in_seconds(window_stride, hop_length, exact_pad, recipe_options, preprocessor, our_mel, make_signal):
    """FastPitch's class takes window and stride in seconds too, rounded down to samples."""
    seconds = {"window_size": 0.0464, "window_stride": window_stride, "n_window_size": None, "n_window_stride": None}
    options = recipe_options("nemo-fastpitch-22khz", exact_pad=exact_pad, n_fft=None, **seconds)
    convention, theirs = from_nemo(options), preprocessor(options)
    assert (convention.n_fft, convention.win_length, convention.hop_length) == (1024, 1023, hop_length)
    audio = make_signal("austen-1", 22050)
    expected, _ = theirs.mel(audio, audio.shape[1] + hop_length)
    torch.testing.assert_close(our_mel(convention, audio, theirs.filterbank), expected, rtol=0, atol=SAME_FILTERBANK)
