"""Discriminators against those of the published package, ``vocos`` 0.1.0, with the same random weights."""

import dataclasses

import pytest
import torch
import yaml

from vocos_plugins.config.mapping import ConfigError, read_dataclass
from vocos_plugins.training.config import TrainingConfig
from vocos_plugins.training.discriminators import Discriminators, build_discriminators

# Float32 rounding of layers in another order, relative to the largest value.
SAME = 1e-5
# bfloat16 keeps 8 bits; five layers of it against float32, relative to the largest value.
BFLOAT16 = 5e-2
N_BANDWIDTHS = 4
SMALL = Discriminators(
    periods=(2, 3),
    period_channels=(4, 8),
    n_ffts=(128, 64),
    hop_factor=0.5,
    resolution_channels=4,
    resolution_bands=((0.0, 0.5), (0.5, 1.0)),
    frequency_strides=(2, 2, 1),
    weight_norm=False,
)
KINDS = {"period": 0, "resolution": 1}
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
conditions = pytest.mark.parametrize("n_embeddings", [None, N_BANDWIDTHS], ids=["plain", "conditioned"])


def tensors(judgement):
    """Returns all outputs of a discriminator, in order."""
    return [*judgement.scores, *(feature for features in judgement.features for feature in features)]


@torch.no_grad()
def judge(discriminator, *inputs):
    """Returns a discriminator's outputs, without gradients."""
    return tensors(discriminator(*inputs))


@pytest.fixture(scope="module", params=[None, N_BANDWIDTHS], ids=["plain", "conditioned"])
def pairs(request, randomize):
    """Both kinds at full size and the reference's, with the reference's random weights, loaded strictly."""
    from vocos.discriminators import MultiPeriodDiscriminator, MultiResolutionDiscriminator

    references = [
        randomize(reference(num_embeddings=request.param))
        for reference in (MultiPeriodDiscriminator, MultiResolutionDiscriminator)
    ]
    ours = build_discriminators(Discriminators(), request.param)
    for own, reference in zip(ours, references, strict=True):
        own.load_state_dict(reference.state_dict(), strict=True)
    return request.param, list(zip(ours, references, strict=True))


@kinds
def test_parameters_are_the_reference_s(pairs, kind):
    """Each has a counterpart of the same shape and name, except for the newer weight norm's names."""
    ours, reference = pairs[1][kind]
    renamed = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    found = {}
    for key, value in ours.state_dict().items():
        for new, old in renamed.items():
            key = key.replace(new, old)  # noqa: PLW2901
        found[key] = value.shape
    assert found == {key: value.shape for key, value in reference.state_dict().items()}
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())


@kinds
@pytest.mark.parametrize("n_samples", [1025, 2310, 3001])
def test_judgement_equals_reference(pairs, kind, n_samples, noise, relative_error):
    """Scores and all features agree, for the shortest signal, a whole and an odd length."""
    n_embeddings, both = pairs
    ours, reference = both[kind]
    ids = None if n_embeddings is None else torch.tensor([[2]])
    real, fake = noise(1, n_samples), 0.1 * noise(1, n_samples, seed=2) + 0.3
    with torch.no_grad():
        real_scores, fake_scores, real_features, fake_features = reference(
            y=real, y_hat=fake, bandwidth_id=None if ids is None else ids[0]
        )
        for audio, scores, features in ((real, real_scores, real_features), (fake, fake_scores, fake_features)):
            found = tensors(ours(audio, ids))
            expected = [*scores, *(feature for of_one in features for feature in of_one)]
            assert len(found) == len(expected)
            errors = [relative_error(f, e) for f, e in zip(found, expected, strict=True)]
            assert max(errors) < SAME


@kinds
def test_each_row_has_its_bandwidth(kind, noise, randomize, relative_error):
    """Ids (B, 1) condition each row, unlike the reference's single id per batch; (1, 1) applies to all rows."""
    discriminator = randomize(build_discriminators(SMALL, N_BANDWIDTHS)[kind])
    audio, ids = noise(3, 500), torch.tensor([[3], [0], [2]])
    together = judge(discriminator, audio, ids)
    for row in range(3):
        alone = judge(discriminator, audio[row : row + 1], ids[row : row + 1])
        errors = [relative_error(t[row : row + 1], a) for t, a in zip(together, alone, strict=True)]
        assert max(errors) < SAME
    shared = judge(discriminator, audio, torch.tensor([[3]]))
    assert relative_error(shared[0][:1], together[0][:1]) < SAME
    assert relative_error(shared[0][1:2], together[0][1:2]) > 100 * SAME


@kinds
def test_stacked_signals_are_judged_alone(kind, noise, randomize, relative_error):
    """Real and generated signals may form one batch, since rows are independent."""
    discriminator = randomize(build_discriminators(SMALL)[kind])
    real, fake = noise(2, 500), 0.01 * noise(2, 500, seed=2)
    stacked = judge(discriminator, torch.cat([real, fake]))
    apart = [torch.cat(pair) for pair in zip(judge(discriminator, real), judge(discriminator, fake), strict=True)]
    assert max(relative_error(s, a) for s, a in zip(stacked, apart, strict=True)) < SAME


@kinds
@conditions
def test_gradients_reach_audio_and_parameters(kind, n_embeddings, noise, randomize):
    """All parameters and all samples get finite gradients."""
    discriminator = randomize(build_discriminators(SMALL, n_embeddings)[kind])
    audio = noise(2, 512).requires_grad_()
    ids = None if n_embeddings is None else torch.tensor([[0], [1]])
    sum(value.square().mean() for value in tensors(discriminator(audio, ids))).backward()
    for gradient in (audio.grad, *(parameter.grad for parameter in discriminator.parameters())):
        assert gradient is not None
        assert bool(gradient.isfinite().all())
        assert bool(gradient.any())
    assert bool((audio.grad != 0).all(dim=1).all())


@kinds
def test_silence_is_judged(kind, randomize):
    """A silent row, which has no level to normalize by, has finite scores and gradients."""
    discriminator = randomize(build_discriminators(SMALL)[kind])
    audio = torch.zeros(1, 512, requires_grad=True)
    judged = tensors(discriminator(audio))
    sum(value.mean() for value in judged).backward()
    assert all(bool(value.isfinite().all()) for value in (*judged, audio.grad))


@kinds
def test_bfloat16_autocast(kind, noise, randomize, relative_error):
    """Layers run in bfloat16, the spectrum stays in float32, and the judgement is near the exact one."""
    discriminator = randomize(
        build_discriminators(Discriminators(resolution_channels=8, period_channels=(8, 16)))[kind]
    )
    audio = noise(2, 1500)
    exact = judge(discriminator, audio)
    with torch.autocast("cpu", torch.bfloat16):
        rough = tensors(discriminator(audio.bfloat16()))
    assert rough[-2].dtype == torch.bfloat16
    assert max(relative_error(r.detach().float(), e) for r, e in zip(rough, exact, strict=True)) < BFLOAT16
    sum(value.float().square().mean() for value in rough).backward()
    assert all(bool(parameter.grad.isfinite().all()) for parameter in discriminator.parameters())


@kinds
def test_channels_last(kind, noise, randomize, relative_error):
    """Another memory layout affects speed only."""
    discriminator = randomize(build_discriminators(dataclasses.replace(SMALL, weight_norm=True))[kind])
    audio = noise(2, 500)
    expected = judge(discriminator, audio)
    found = judge(discriminator.to(memory_format=torch.channels_last), audio)
    assert max(relative_error(f, e) for f, e in zip(found, expected, strict=True)) < SAME


@kinds
def test_shortest_signal(kind, noise):
    """`min_samples` samples are enough, and one less is refused with both numbers."""
    discriminator = build_discriminators(Discriminators(resolution_channels=2, period_channels=(2,)))[kind]
    least = discriminator.min_samples
    assert least == (6, 1025)[kind]
    for n_samples in range(least, least + 12):
        discriminator(noise(1, n_samples))
    with pytest.raises(ValueError, match=f"audio has {least - 1} samples, this discriminator needs {least}"):
        discriminator(noise(1, least - 1))


@kinds
def test_refused_calls(kind, noise):
    """Audio of another shape is refused, and ids that are missing, unwanted or not one per row."""
    plain, conditioned = (build_discriminators(SMALL, n)[kind] for n in (None, N_BANDWIDTHS))
    audio = noise(3, 500)
    with pytest.raises(ValueError, match=r"audio must be \(B, N\)"):
        plain(audio[:, None])
    with pytest.raises(ValueError, match="is not conditioned"):
        plain(audio, torch.tensor([[0]]))
    with pytest.raises(ValueError, match="needs a bandwidth_id"):
        conditioned(audio)
    with pytest.raises(ValueError, match=r"must be \(3, 1\) or \(1, 1\)"):
        conditioned(audio, torch.tensor([[0], [1]]))


def test_options_come_from_yaml():
    """Options that are written as plain YAML are read back equal, including nested bands."""
    written = yaml.safe_dump(dataclasses.asdict(SMALL))
    assert read_dataclass(Discriminators, yaml.safe_load(written), "discriminators") == SMALL


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"periods": ()}, "periods must not be empty"),
        ({"periods": (2, 0)}, "periods must be at least 1"),
        ({"period_channels": (8, 0)}, "period_channels must be at least 1"),
        ({"period_stride": 0}, "period_stride must be at least 1"),
        ({"n_ffts": (255,)}, "even"),
        ({"hop_factor": 0.0}, "hop_factor"),
        ({"hop_factor": 1.5}, "hop_factor"),
        ({"resolution_channels": 0}, "resolution_channels must be at least 1"),
        ({"resolution_bands": ((0.5, 0.1),)}, "low < high"),
        ({"resolution_bands": ((0.0, 0.1, 0.2),)}, "low, high"),
        ({"resolution_bands": ((0.0, 0.001),)}, "contains no bin"),
        ({"frequency_strides": (1,)}, "at least 2 values"),
    ],
)
def test_refused_options(change, message):
    """Invalid sizes are refused by name."""
    with pytest.raises(ValueError, match=message):
        Discriminators(**change)


@pytest.mark.parametrize("jitter", [0.0, 0.5])
def test_crops_that_are_too_short_are_refused_at_once(make_mapping, jitter) -> None:
    """Not when the discriminators join; without them, they are fine."""
    sizes = {"discriminators__n_ffts": [1024, 512], "run__jitter_framing": jitter}
    enough = 640 + (64 if jitter else 0)  # five hops: one more than half of 1024
    TrainingConfig.from_dict(make_mapping(**sizes, data__num_samples=enough))
    short = make_mapping(**sizes, data__num_samples=enough - 1, losses__pretrain_steps=7)
    with pytest.raises(ConfigError, match=r"data\.num_samples is too small: it leaves 512 samples, .* need 513, for"):
        TrainingConfig.from_dict(short)
    TrainingConfig.from_dict(make_mapping(**sizes, data__num_samples=enough - 1, losses__pretrain_steps=8))
