"""Conversion of mels between conventions."""

import dataclasses
import math
import warnings

import pytest
import torch

from vocos_plugins.mel import MelConvention, MelMismatch, MelMismatchWarning, MelSpectrogram, align
from vocos_plugins.mel.compression import compress, expand

# Relative, of linear mels above both floors: float32 spectra, and log10 at gain 20 rounds to 1e-5 of a neper.
EXACT = 1e-4
# A mel stored as log(x + 1) in float32 keeps 6e-8 of x; with x of 1e-3 and more, 1e-4.
LOUD = 1e-3
# Nepers: values of up to 20 in float32.
CLOSED_FORM = 5e-6
# Frames that reach over an end of the signal see its mirror image there, or what a shift moved in.
EDGE = 4


def loud_error(aligned, expected, convention, loud):
    """Returns the largest relative error of linear mels where they are loud."""
    aligned, expected = (expand(mel.double(), convention) for mel in (aligned, expected))
    assert loud.double().mean() > 0.2, "the clip is too quiet to test anything"
    return float(((aligned - expected).abs() / expected)[loud].max())


def test_equal_in_meaning_is_identity(base, speech):
    """The mel is passed on as it is."""
    mel = MelSpectrogram(base)(speech(22050))
    alignment = align(base, dataclasses.replace(base, name="other", periodic=False))
    assert alignment.kind == "identity"
    assert alignment(mel) is mel


def test_conventions_that_differ_in_name_keep_their_own(base):
    """Conventions that differ in name only are equal, but the cache must not return another one's name."""
    for name in ("one", "another"):
        named = dataclasses.replace(base, name=name)
        assert align(named, base).source.name == name
        assert align(base, named).target.name == name


@pytest.mark.parametrize("forward", [True, False], ids=["to", "from"])
def test_pointwise_gives_the_target_s_own_mel(base, pointwise, speech, forward):
    """Logarithm, gain, guard, norm and normalization, both ways, on speech."""
    source, target = (base, pointwise) if forward else (pointwise, base)
    audio = speech(22050)
    alignment = align(source, target)
    assert alignment.kind == "pointwise"
    aligned = alignment(MelSpectrogram(source)(audio))
    loud = expand(MelSpectrogram(base)(audio), base) > LOUD
    assert aligned.dtype == torch.float32
    assert loud_error(aligned, MelSpectrogram(target)(audio), target, loud) < EXACT


def test_pointwise_keeps_to_the_target_s_floor(base, pointwise):
    """Silence in one is at or next to the lowest value of the other, and never NaN."""
    silence = MelSpectrogram(base)(torch.zeros(1, 4096))
    aligned = align(base, pointwise)(silence)
    own = MelSpectrogram(pointwise)(torch.zeros(1, 4096))
    assert torch.isfinite(aligned).all()
    # The source holds nothing below its guard, which the target may still distinguish from silence.
    source_floor = base.guard_value * float((pointwise.filterbank().sum(0) / base.filterbank().sum(0)).max())
    linear = expand(aligned.double(), pointwise)
    assert float(linear.max()) <= 1.01 * max(source_floor, float(expand(own.double(), pointwise).max()))


@pytest.mark.parametrize("log", ["natural", "log10"])
@pytest.mark.parametrize("guards", [(1e-8, 1e-5), (1e-5, 1e-8)])
def test_another_floor_changes_nothing_above_it(base, log, guards):
    """Values above the floor stay to the bit, those below follow the closed form, and absurd values stay finite."""
    source, target = (dataclasses.replace(base, log=log, guard_value=guard) for guard in guards)
    mel = 40 * torch.rand(1, base.n_mels, 50, generator=torch.Generator().manual_seed(0)) - 20
    aligned = align(source, target)(mel)
    assert align(source, target).kind == "pointwise"
    expected = compress(expand(mel.double(), source), target)
    within = (expected - mel).abs() < CLOSED_FORM
    assert 0 < int(within.sum()) < within.numel()
    assert torch.equal(aligned[within], mel[within])
    assert float((aligned - expected).abs().max()) < CLOSED_FORM


@pytest.mark.parametrize("framing", ["center", "same"])
def test_framing_is_the_target_s_mel_of_a_shifted_signal(base, speech, framing):
    """The vocoder sees what it would see of the same audio half a hop later, without interpolation."""
    source = dataclasses.replace(base, framing=framing)
    target = dataclasses.replace(base, framing="same" if framing == "center" else "center")
    audio = speech(22050)[:, : 200 * 256]
    alignment = align(source, target)
    assert alignment.kind == "framing"
    aligned = alignment(MelSpectrogram(source)(audio))
    shifted = torch.nn.functional.pad(audio, (alignment.first_sample, 0))
    own = MelSpectrogram(target)(shifted)
    n_frames = min(aligned.shape[-1], own.shape[-1])
    inside = slice(EDGE, n_frames - EDGE)
    torch.testing.assert_close(aligned[..., inside], own[..., inside], rtol=0, atol=EXACT)


@pytest.mark.parametrize("framing", ["center", "same"])
@pytest.mark.parametrize("hop_length", [256, 275])
def test_framing_trims_to_the_source_s_own_length(base, framing, hop_length):
    """The audio has as many samples as the source's frames cover, also with an odd hop."""
    source = dataclasses.replace(base, framing=framing, hop_length=hop_length)
    target = dataclasses.replace(source, framing="same" if framing == "center" else "center")
    alignment = align(source, target)
    for n_frames in (1, 2, 50):
        frames = alignment(torch.zeros(1, 80, n_frames)).shape[-1]
        decoded = torch.zeros(1, (frames - 1) * hop_length if target.framing == "center" else frames * hop_length)
        expected = (n_frames - 1) * hop_length if framing == "center" else n_frames * hop_length
        assert alignment.trim(decoded, n_frames).shape[-1] == alignment.n_samples(n_frames) == expected


def other_bands(base):
    """Returns a convention with other bands, frames and sample rate."""
    return dataclasses.replace(
        base, name="other", sample_rate=24000, n_mels=100, f_max=None, mel_scale="htk", mel_norm=None, guard_value=1e-7
    )


def test_lossy_warns_once_with_its_error(base):
    """The figure is in the warning; a second call is silent."""
    target = dataclasses.replace(other_bands(base), name="warned")
    from vocos_plugins.mel import alignment as module

    module._approximate.cache_clear()
    with pytest.warns(MelMismatchWarning, match=r"base to warned: mean error 0\.\d+ nepers"):
        first = align(base, target)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert align(base, target) is first
    assert first.kind == "lossy"
    assert first.error.unknown
    assert all(math.isnan(first.error.per_band[band]) for band in first.error.unknown)


def test_strict_refuses_a_lossy_conversion_and_names_each_field(base):
    """The message has each field, its two values, the audible effect, the error and the options."""
    with pytest.raises(MelMismatch) as caught:
        align(base, other_bands(base), strict=True)
    text = str(caught.value)
    for piece in ("sample_rate: 22050 against 24000", "n_mels: 80 against 100", "mel_scale", "robotic", "nepers"):
        assert piece in text
    for option in ("checkpoint", "strict=False", "fine-tuned"):
        assert option in text
    assert {"sample_rate", "n_mels", "f_max"} <= {difference.field for difference in caught.value.differences}


def test_strict_allows_what_is_exact(base):
    """Pointwise and framing conversions are exact."""
    assert align(base, dataclasses.replace(base, framing="same", log="log10"), strict=True).kind == "framing"


def test_a_source_that_knows_too_little_is_refused(base):
    """A telephone mel cannot become a 44.1 kHz one, strict or not."""
    telephone = dataclasses.replace(base, name="telephone", sample_rate=8000, f_max=None)
    wide = dataclasses.replace(base, name="wide", sample_rate=44100, f_max=None)
    with pytest.raises(MelMismatch, match="wide cannot take telephone mels: telephone has no information for bands"):
        align(telephone, wide)


@pytest.mark.parametrize("side", ["source", "vocoder"])
def test_codes_are_no_mel(base, side):
    """EnCodec features cannot be converted into a mel, nor a mel into them."""
    with pytest.raises(MelMismatch, match=f"the {side} has no mel"):
        align(*((None, base) if side == "source" else (base, None)))


@pytest.mark.parametrize("shape", [(80, 10), (1, 100, 10)], ids=str)
def test_a_mel_of_another_shape_is_refused(base, shape):
    """The mel must have the source's number of bands, and three dimensions."""
    with pytest.raises(ValueError, match=r"expected floating point mels \(B, 80, T\)"):
        align(base, base)(torch.zeros(shape))


@pytest.mark.filterwarnings("ignore::vocos_plugins.mel.MelMismatchWarning")
@pytest.mark.parametrize(
    "signal", [torch.zeros(1, 8192), torch.ones(1, 8192), torch.eye(1, 8192)], ids=["silence", "constant", "impulse"]
)
def test_nothing_is_ever_nan(base, pointwise, signal):
    """Floors, constants and impulses go through every kind, into and out of it."""
    for target in (pointwise, dataclasses.replace(pointwise, framing="same"), other_bands(base)):
        for source, wanted in ((base, target), (target, base)):
            mel = MelSpectrogram(source)(signal)
            for extreme in (mel, torch.full_like(mel, -1e4), torch.full_like(mel, 1e4)):
                assert torch.isfinite(align(source, wanted)(extreme)).all()


def test_no_frames_stay_no_frames(base):
    """An empty item of a batch is no error."""
    target = MelConvention(sample_rate=22050, n_fft=1024, win_length=1024, hop_length=256, n_mels=40, framing="same")
    with pytest.warns(MelMismatchWarning):
        assert align(base, target)(torch.zeros(2, 80, 0)).shape == (2, 40, 0)
