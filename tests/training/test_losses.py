"""Losses against those of the published package, ``vocos`` 0.1.0, and against their documented properties."""

import pytest
import torch

from vocos_plugins.training.losses import (
    MelLoss,
    PhaseLoss,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    low_pass,
)

# Float32 rounding of sums in another order, relative.
SAME = 1e-5
# Leakage, two kHz away, of a tone in the masked band that is as loud as the noise: side lobes of the Hann window.
MASKED = 1e-4
# Decibels: largest attenuation of a tone inside the band, and highest level of one above it, as `low_pass` promises.
PASSED_DB = 0.1
STOPPED_DB = -60.0
SAMPLE_RATE = 24000
VOCOS = ((1024, 256, 100),)
RESOLUTIONS = ((256, 64, 20), (1024, 256, 80), (2048, 512, 100))
N_FFTS = (256, 1024, 2048)


@pytest.fixture(params=["mel", "phase"])
def loss_of(request):
    """Each of the spectral losses in turn."""
    return MelLoss(SAMPLE_RATE, RESOLUTIONS) if request.param == "mel" else PhaseLoss(N_FFTS, SAMPLE_RATE)


def tone(frequency, n_samples=8000, sample_rate=SAMPLE_RATE):
    """Returns a sine of peak 1 with a fixed phase, ``(1, N)``."""
    return torch.sin(2 * torch.pi * frequency / sample_rate * torch.arange(n_samples).double() + 0.3)[None].float()


def test_adversarial_losses_equal_reference(noise):
    """Hinge and feature matching losses equal the reference's, which its training step averages the same way."""
    from vocos.loss import DiscriminatorLoss, FeatureMatchingLoss, GeneratorLoss

    real, fake = ([2 * noise(2, 7 + k, seed=s + k) for k in range(3)] for s in (0, 10))
    features = [[[noise(2, 4, 5 + k, seed=s + k + i) for i in range(k + 2)] for k in range(3)] for s in (20, 40)]
    expected = DiscriminatorLoss()(real, fake)[0] / 3
    assert torch.allclose(discriminator_loss(real, fake), expected, rtol=SAME)
    assert torch.allclose(generator_loss(fake), GeneratorLoss()(fake)[0] / 3, rtol=SAME)
    assert torch.allclose(feature_matching_loss(*features), FeatureMatchingLoss()(*features) / 3, rtol=SAME)


def test_adversarial_losses_pull_the_right_way(noise):
    """Real scores rise, fake ones fall for the discriminator and rise for the generator; real features stay put."""
    real, fake = (torch.zeros(2, 5, requires_grad=True) for _ in range(2))
    discriminator_loss([real], [fake]).backward()
    assert bool((real.grad < 0).all())
    assert bool((fake.grad > 0).all())
    fake.grad = None
    generator_loss([fake]).backward()
    assert bool((fake.grad < 0).all())
    ours, theirs = noise(2, 3).requires_grad_(), noise(2, 3, seed=2).requires_grad_()
    feature_matching_loss([[theirs]], [[ours]]).backward()
    assert theirs.grad is None
    assert bool((ours.grad != 0).all())


def test_adversarial_losses_of_bfloat16_are_summed_in_float32():
    """Scores from autocast lose no digits in the mean."""
    scores = [torch.full((100_000,), -0.5, dtype=torch.bfloat16)]
    for loss in (generator_loss(scores), discriminator_loss(scores, scores) + 0.5):
        assert loss.dtype == torch.float32
    assert abs(float(generator_loss(scores)) - 1.5) < SAME


def test_mel_loss_equals_reference(noise, chirp):
    """Vocos' single resolution at 24 kHz agrees at several levels."""
    from vocos.loss import MelSpecReconstructionLoss

    ours, reference = MelLoss(SAMPLE_RATE, VOCOS), MelSpecReconstructionLoss()
    real = torch.cat([0.1 * noise(1, 6000), chirp(6000), torch.zeros(1, 6000)])
    for fake in (0.3 * noise(3, 6000, seed=2), 0.01 * real, real):
        assert abs(float(ours(fake, real) - reference(fake, real))) <= SAME * max(1.0, float(reference(fake, real)))


def test_mel_loss_follows_the_sample_rate(noise):
    """At 44.1 kHz the bands move, whereas the reference keeps those of 24 kHz."""
    import torchaudio

    real, fake = noise(2, 6000), 0.5 * noise(2, 6000, seed=2)
    mel = torchaudio.transforms.MelSpectrogram(44100, n_fft=1024, hop_length=256, n_mels=100, power=1)
    expected = (mel(real).clamp_min(1e-7).log() - mel(fake).clamp_min(1e-7).log()).abs().mean()
    assert abs(float(MelLoss(44100, VOCOS)(fake, real) - expected)) < SAME


def test_equal_signals_have_no_distance(loss_of, noise):
    """The loss of equal signals is 0."""
    audio = noise(2, 6000)
    assert float(loss_of(audio, audio)) == 0.0


def test_phase_loss_equals_its_formula(noise):
    """It is the weighted mean of chords between phase steps ``z' conj(z)``, computed here in complex numbers."""
    real = noise(2, 6000).double()
    fake = real + 0.3 * noise(2, 6000, seed=2)
    window = torch.hann_window(512).double()
    z, r = (torch.stft(audio, 512, 128, window=window, return_complex=True) for audio in (fake, real))
    expected = 0.0
    for axis in (1, 2):
        last = z.shape[axis] - 1
        steps = [x.narrow(axis, 1, last) * x.narrow(axis, 0, last).conj() for x in (z, r)]
        chord = (steps[0] / steps[0].abs() - steps[1] / steps[1].abs()).abs()
        weight = steps[1].abs() ** 0.25
        expected += float((weight * chord).sum() / weight.sum())
    found = PhaseLoss((512,), SAMPLE_RATE).double()(fake, real)
    assert float(found) == pytest.approx(expected, rel=1e-4)  # what keeps gradients finite at silence costs less


def test_phase_loss_ignores_a_common_phase(noise):
    """An inverted signal has every phase shifted by half a turn and the same phase steps."""
    audio = noise(2, 6000)
    assert float(PhaseLoss(N_FFTS, SAMPLE_RATE)(-audio, audio)) < SAME


def test_phase_loss_orders_errors(noise):
    """A delay of one sample costs at most a tenth of the loss of other noise."""
    loss, audio = PhaseLoss((512,), SAMPLE_RATE), noise(2, 24000)
    delayed = float(loss(audio.roll(1, dims=1), audio))
    assert 0 < delayed < 0.1 * float(loss(noise(2, 24000, seed=2), audio))


def test_losses_ignore_frequencies_above_the_band(loss_of, noise):
    """A tone above a row's bandwidth costs nothing in that row, and its full price in a row that holds it."""
    real = 0.1 * noise(2, 8000)
    fake = real + 0.1 * tone(10000) * torch.hann_window(8000)
    errors = [float(loss_of(fake[:1], real[:1], torch.tensor([edge]))) for edge in (8000.0, SAMPLE_RATE / 2)]
    assert errors[0] < MASKED
    assert errors[1] > 50 * MASKED
    assert abs(errors[1] - float(loss_of(fake[:1], real[:1]))) < SAME * errors[1]
    both = float(loss_of(fake, real, torch.tensor([8000.0, SAMPLE_RATE / 2])))
    assert both > 0.4 * float(loss_of(fake[1:], real[1:]))


def test_losses_keep_frequencies_in_the_band(loss_of, noise):
    """An error below the bandwidth still costs."""
    real = 0.1 * noise(1, 8000)
    assert float(loss_of(real + 0.1 * tone(1000), real, torch.tensor([8000.0]))) > 10 * MASKED


def test_gradient_stays_in_the_band(loss_of, noise):
    """The gradient of a row lies in its band."""
    fake = (0.1 * noise(1, 8000, seed=2)).requires_grad_()
    loss_of(fake, 0.1 * noise(1, 8000), torch.tensor([6000.0])).backward()
    power = torch.fft.rfft(fake.grad * torch.hann_window(8000)).abs().square()[0]
    above = round(6000 / SAMPLE_RATE * 8000)
    # Windows of 256 samples leak at -31 dB and below.
    assert float(power[above:].sum() / power.sum()) < 1e-3


def test_no_band_left(loss_of, noise):
    """A bandwidth below the first band results in a distance of 0, with a gradient."""
    fake = noise(1, 6000).requires_grad_()
    loss = loss_of(fake, noise(1, 6000, seed=2), torch.tensor([0.0]))
    loss.backward()
    assert float(loss.detach()) >= 0
    assert bool(fake.grad.isfinite().all())


@pytest.mark.parametrize("silent", ["real", "fake", "both"])
def test_silence_is_finite(loss_of, silent, noise):
    """Digital silence on either side has a finite loss and gradient, with and without a mask."""
    for bandwidth in (None, torch.tensor([4000.0, 12000.0])):
        fake = torch.zeros(2, 6000) if silent != "real" else noise(2, 6000)
        real = torch.zeros(2, 6000) if silent != "fake" else noise(2, 6000)
        fake.requires_grad_()
        loss = loss_of(fake, real, bandwidth)
        loss.backward()
        assert bool(loss.isfinite())
        assert bool(fake.grad.isfinite().all())


def test_losses_are_exact_under_autocast(loss_of, noise):
    """Spectra and logarithms stay in float32, in whatever precision the layers before them run."""
    real, fake = noise(1, 6000), noise(1, 6000, seed=2)
    with torch.autocast("cpu", torch.bfloat16):
        found = loss_of(fake, real)
    assert found.dtype == torch.float32
    assert float(found) == float(loss_of(fake, real))


def test_refused_signals(loss_of, noise):
    """Signals of different lengths, bandwidths that are not one per row, and crops below half a frame are refused."""
    with pytest.raises(ValueError, match=r"got shapes \(1, 6000\) and \(1, 5999\)"):
        loss_of(noise(1, 6000), noise(1, 5999))
    with pytest.raises(ValueError, match=r"bandwidth_hz must be \(2,\)"):
        loss_of(noise(2, 6000), noise(2, 6000), torch.tensor([8000.0]))
    with pytest.raises(ValueError, match="at least 1025"):
        loss_of(noise(1, 1024), noise(1, 1024))


def decibels(found, expected, margin):
    """Returns the level of one signal relative to another, away from the ends, where tones start abruptly."""
    inner = slice(margin, found.shape[1] - margin)
    return float(10 * torch.log10(found[:, inner].square().mean() / expected[:, inner].square().mean()))


@pytest.mark.parametrize("sample_rate", [16000, 22050, 44100])
@pytest.mark.parametrize("bandwidth", [3400.0, 5512.5, 7500.0])
def test_low_pass_keeps_below_and_stops_above(bandwidth, sample_rate):
    """Tones up to 94% of the bandwidth pass without delay, and those 1% above it vanish."""
    edge = torch.tensor([bandwidth])
    for frequency in (100.0, 0.5 * bandwidth, 0.94 * bandwidth):
        whole = tone(frequency, 12288, sample_rate)
        passed = low_pass(whole, edge, sample_rate)
        assert abs(decibels(passed, whole, 1024)) < PASSED_DB
        assert decibels(passed - whole, whole, 1024) < STOPPED_DB
    for frequency in (1.01 * bandwidth, 0.5 * (bandwidth + sample_rate / 2)):
        whole = tone(frequency, 12288, sample_rate)
        assert decibels(low_pass(whole, edge, sample_rate), whole, 1024) < STOPPED_DB


def test_low_pass_leaves_whole_rows_alone(noise):
    """Rows with the full band come back bit for bit, alone and next to others; so does silence."""
    audio = noise(3, 5001)
    audio[2] = 0
    edges = torch.tensor([12000.0, 4000.0, 4000.0])
    passed = low_pass(audio, edges, SAMPLE_RATE)
    assert torch.equal(passed[0], audio[0])
    assert not torch.equal(passed[1], audio[1])
    assert torch.equal(passed[2], audio[2])
    assert torch.equal(low_pass(audio, torch.full((3,), 16000.0), SAMPLE_RATE), audio)


@pytest.mark.parametrize("n_samples", [1, 2, 1023, 1024, 4999])
def test_low_pass_keeps_the_length(n_samples, noise):
    """Also signals shorter than the mirrored ends keep their length, and a constant stays constant."""
    audio = noise(2, n_samples)
    assert low_pass(audio, torch.tensor([3000.0, 5000.0]), SAMPLE_RATE).shape == audio.shape
    constant = torch.full((1, 4096), 0.5)
    assert torch.allclose(low_pass(constant, torch.tensor([3000.0]), SAMPLE_RATE), constant, atol=1e-3)


def test_low_pass_gradient(noise):
    """The gradient is exact, and low-passed as well."""
    edges = torch.tensor([5000.0, 12000.0])
    audio = noise(2, 60, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: low_pass(x, edges, SAMPLE_RATE), audio)
    long = noise(1, 8000).requires_grad_()
    (low_pass(long, edges[:1], SAMPLE_RATE) * noise(1, 8000, seed=2)).sum().backward()
    power = (torch.fft.rfft(long.grad * torch.hann_window(8000)).abs().square())[0]
    assert float(power[round(5100 / SAMPLE_RATE * 8000) :].sum() / power.sum()) < 10 ** (STOPPED_DB / 10)


def test_low_pass_keeps_the_precision(noise):
    """bfloat16 comes back as bfloat16, computed in float32."""
    audio = noise(1, 3000).bfloat16()
    passed = low_pass(audio, torch.tensor([5000.0]), SAMPLE_RATE)
    assert torch.equal(passed, low_pass(audio.float(), torch.tensor([5000.0]), SAMPLE_RATE).bfloat16())
