"""Conventions from NeMo's configurations: options in memory, and YAML files."""

from __future__ import annotations

import inspect

import pytest
import yaml
from vocos_nemo.interpolation import find_preprocessor, resolved_options
from vocos_nemo.mel import CONVENTIONS, from_nemo, read_convention
from vocos_nemo.preprocessor import DEFAULTS

from vocos_plugins.mel import ConventionError, MelConvention
from vocos_plugins.storage.limits import MAX_CONFIG_BYTES

pytestmark = pytest.mark.xdist_group("nemo")

NAMES = [convention.name for convention in CONVENTIONS]


@pytest.mark.parametrize("kind", DEFAULTS)
def test_defaults_are_those_of_the_class(kind, nemo):
    """The defaults have the names and values of every option of the installed NeMo."""
    parameters = inspect.signature(getattr(nemo, kind)).parameters
    assert DEFAULTS[kind] == {name: parameter.default for name, parameter in parameters.items()}


@pytest.mark.parametrize("name", NAMES)
def test_recipes_give_their_conventions(name, recipes, recipe_config, recipe_options, write):
    """Recipes are read from files, OmegaConf's configurations of run, model and preprocessor, and plain options."""
    config = recipe_config(name)
    without_target = recipe_options(name)
    del without_target["_target_"]
    plain = yaml.safe_load(recipes[name])  # with 1e-05 as text, and interpolations
    sources = (config, config.model, config.model.preprocessor, recipe_options(name), without_target, plain)
    found = [read_convention(write(recipes[name], "train.yaml")), *map(from_nemo, sources)]
    assert [convention.name for convention in found] == [name] * 7
    assert all(convention in CONVENTIONS for convention in found)


def test_unnamed_conventions(recipe_options):
    """Options that no recipe has are a convention too, without a name."""
    found = from_nemo(recipe_options("nemo-fastpitch-22khz", highfreq=7600))
    assert found.name == ""
    assert found.f_max == 7600


def test_defaults_fill_in(nemo):
    """Missing options have their own class's defaults, not the other class's nor `MelConvention`'s."""
    found = from_nemo({"_target_": "nemo.x.FilterbankFeatures", "normalize": None, "preemph": None})
    assert found == MelConvention(
        sample_rate=16000,
        n_fft=512,
        win_length=320,
        hop_length=160,
        n_mels=64,
        mel_scale="slaney",
        mel_norm="slaney",
        power=2.0,
        periodic=False,
        pad_mode="constant",
        guard="add",
        guard_value=2**-24,
        pad_value=0.0,
    )
    module = nemo.FilterbankFeatures(normalize=None, preemph=None)
    assert (module.n_fft, module.win_length, module.hop_length) == (found.n_fft, found.win_length, found.hop_length)
    in_seconds = from_nemo({"features": 64, "normalize": None, "preemph": None})
    assert in_seconds == found


def test_window_given_twice(nemo, recipe_options):
    """A window in seconds and in samples is refused, as in NeMo, also with the default in seconds."""
    options = recipe_options("nemo-fastpitch-22khz")
    del options["window_size"], options["_target_"]
    # NeMo means to raise a ValueError, but printing the half-built object into its message fails.
    with pytest.raises((ValueError, AttributeError)):
        nemo.AudioToMelSpectrogramPreprocessor(**options)
    with pytest.raises(ConventionError, match=r"window_size is 0\.02 next to n_window_size.*set window_size: false"):
        from_nemo(options)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalize": "per_feature"}, "normalize is 'per_feature': that subtracts statistics of"),
        ({"normalize": "all_features"}, "normalize is 'all_features'"),
        ({"normalize": {"fixed_mean": [0.0], "fixed_std": [1.0]}}, "normalize is {'fixed_mean'"),
        ({"window": "blackman"}, "window is 'blackman': that is not a supported window"),
        ({"window": "none"}, "window is 'none'"),
        ({"frame_splicing": 3}, "frame_splicing is 3: that stacks"),
        ({"nb_augmentation_prob": 0.1}, "nb_augmentation_prob is 0.1: that blanks"),
        ({"preemph": 0.97}, "preemph is 0.97: that together with exact_pad"),
        ({"n_window_stride": 255}, "exact_pad needs an even n_window_stride and n_fft, got 255 and 1024"),
        ({"n_fft": 1025}, "exact_pad needs an even n_window_stride and n_fft, got 256 and 1025"),
        ({"mag_power": 1.5}, "power must be one of 1, 2, got 1.5"),
        ({"mel_norm": 2}, "mel_norm must be one of None, slaney, got 2"),
        ({"log_zero_guard_type": "max"}, "guard must be one of clamp, add, got 'max'"),
        ({"log_zero_guard_value": "small"}, "log_zero_guard_value: expected a number, got 'small'"),
        ({"log_zero_guard_value": 0.0}, "guard_value must be positive"),
        ({"highfreq": 12000}, "f_min < f_max <= 11025 Hz"),
        ({"n_window_stride": 2048}, "expected hop_length <= win_length"),
        ({"sample_rate": 10**400}, "sample_rate: expected a number, got 1000"),
        ({"sample_rate": None}, "sample_rate: expected a number, got None"),
        ({"nfilt": 80.5}, "nfilt: expected a whole number of at least 1, got 80.5"),
        ({"n_window_size": 0}, "n_window_size: expected a whole number of at least 1, got 0"),
        ({"n_window_stride": None}, "n_window_stride: expected a number, got None"),
        ({"lowfreq": True}, "lowfreq: expected a number, got True"),
        ({"nfft": 1024}, "nfft is not an option of NeMo's FilterbankFeatures; did you mean 'n_fft'?"),
        ({"features": 80}, "features is not an option of NeMo's FilterbankFeatures"),
        ({"_target_": "nemo.collections.asr.modules.AudioToMFCCPreprocessor"}, "_target_ is 'nemo.*AudioToMFCC"),
        ({"_target_": None, "nfilt": 80, "features": 80}, "_target_ is None; a mel is read from"),
        ({"sample_rate": "???"}, "sample_rate: the value is [?]{3}, which must be filled in"),
        ({"sample_rate": "${rate}"}, "sample_rate -> rate: not in the configuration"),
        ({"sample_rate": "${sample_rate}"}, "sample_rate -> sample_rate: an interpolation that leads back to itself"),
        ({"sample_rate": "${oc.env:RATE}"}, "sample_rate: '.{14}' can't be resolved without OmegaConf"),
        ({"sample_rate": "2${n_fft}"}, "sample_rate: '2.{8}' can't be resolved without OmegaConf"),
        ({"sample_rate": "${..x}"}, "sample_rate: '.{6}' can't be resolved without OmegaConf"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_has_no_equivalent_is_refused(changes, message, recipe_options):
    """Options and values that no mel convention can express, or that are missing, are named with the reason."""
    with pytest.raises(ConventionError, match=message):
        from_nemo(recipe_options("nemo-hifigan-22khz", **changes))


@pytest.mark.parametrize("value", ["???", "${nowhere}", "${oc.env:SURELY_NOT_SET}"])
def test_omegaconfs_own_errors(value, recipe_config):
    """A value that OmegaConf can't resolve is a ConventionError that names the option."""
    config = recipe_config("nemo-hifigan-22khz")
    config.model.preprocessor.sample_rate = value
    with pytest.raises(ConventionError, match=r"sample_rate: not in the configuration \(.+\)"):
        from_nemo(config.model.preprocessor)


def test_a_group_of_hydra(write):
    """A template's values lie in a file that the command line chooses: the error says so, and what to do."""
    config = {
        "defaults": [{"feature": "???"}],
        "model": {
            "preprocessor": {
                "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
                "sample_rate": "${feature.sample_rate}",
            }
        },
    }
    path = write(yaml.safe_dump(config), "template.yaml")
    with pytest.raises(ConventionError, match=r"feature is a group of Hydra's.*copy the file's values.* under feature"):
        read_convention(path)


def test_interpolations_are_those_of_omegaconf():
    """Interpolations work from the root, from neighbours and from above, and through one another."""
    from omegaconf import OmegaConf

    text = """
rate: 16000
top: {inner: {value: 7}}
model:
  n_mels: 80
  other: ${..rate}
  preprocessor:
    absolute: ${rate}
    deep: ${top.inner.value}
    beside: ${.absolute}
    above: ${..n_mels}
    root: ${...rate}
    chain: ${model.other}
    spaced: ${ rate }
    relative_deep: ${...top.inner.value}
    nothing: null
"""
    config = yaml.safe_load(text)
    place = find_preprocessor(config)
    expected = OmegaConf.to_container(OmegaConf.create(text), resolve=True)["model"]["preprocessor"]
    assert resolved_options(config, place) == expected
    assert resolved_options(OmegaConf.create(text), place) == expected


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("preprocessor: {_target_: other.FilterbankFeatures, nfilt: 80}", "config.yaml"),
        ("model: {preprocessor: null}", "config.yaml"),
        ("model: 5", "config.yaml"),
        ("- 1", "config.yaml"),
        ("generator: !new:torch.nn.Linear [2, 2]", "hyperparams.yaml"),
        ("a: !!python/object/apply:os.getcwd []", "config.yaml"),
        ("a: [", "config.yml"),
        ("#" * (MAX_CONFIG_BYTES + 1), "config.yaml"),
        ("{}", "config.json"),
        (b"RIFF\x00\x00\x00\x00WAVE", "speech.wav"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_not_nemos(content, name, write):
    """Files of other toolkits and of other kinds are not NeMo's."""
    assert read_convention(write(content, name)) is None


def test_nothing_there(tmp_path):
    """A missing file, or a folder without NeMo's files, is not NeMo's."""
    assert read_convention(tmp_path) is None
    assert read_convention(tmp_path / "model.nemo") is None
