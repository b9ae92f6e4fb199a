"""What a user may call a model or a vocoder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from vocos_plugins import Vocos
from vocos_plugins.config import EncodecCodes
from vocos_plugins.doctor import SideError, resolve_side
from vocos_plugins.doctor import sides as module
from vocos_plugins.mel import ConventionError
from vocos_plugins.plugins import mel_conventions

RECIPES = Path(__file__).parents[2] / "recipes" / "lightning"
BUNDLED = "vocos-mel-22khz-small"


@pytest.fixture
def checkpoint(make_model, tmp_path):
    """A directory of ours, in a folder with a name of its own."""
    directory = tmp_path / "checkpoint"
    make_model("mel", "convnext", "istft", "center").save_pretrained(directory)
    return directory


def test_a_checkpoint_directory_needs_no_weights(checkpoint, make_config):
    """Only its configuration is read."""
    (checkpoint / "model.safetensors").unlink()
    side = resolve_side(str(checkpoint))
    assert (side.kind, side.model, side.path) == ("checkpoint", str(checkpoint), checkpoint)
    assert side.convention == make_config("mel").features


def test_its_configuration_file_stands_for_the_directory(checkpoint):
    """What `Vocos.from_pretrained` would be given is the directory."""
    side = resolve_side(str(checkpoint / "config.yaml"))
    assert side.model == str(checkpoint)
    assert Vocos.from_pretrained(side.model).mel == side.convention


def test_an_encodec_checkpoint_has_no_convention(make_model, tmp_path):
    """It has codes."""
    make_model("encodec", "adanorm").save_pretrained(tmp_path / "codes")
    side = resolve_side(str(tmp_path / "codes"))
    assert side.convention is None
    assert isinstance(side.features, EncodecCodes)


@pytest.mark.parametrize(("name", "rate"), [("vocos-mel-44khz", 44100), ("vocos-encodec", 24000)])
def test_a_training_configuration(name, rate):
    """Before the training, when there is still time."""
    side = resolve_side(str(RECIPES / f"{name}.yaml"))
    assert (side.kind, side.model) == ("training config", None)
    assert side.features.sample_rate == rate


def test_a_configuration_of_the_reference_package(tmp_path):
    """As the published checkpoints have it."""
    (tmp_path / "config.yaml").write_text(
        "feature_extractor:\n"
        "  class_path: vocos.feature_extractors.MelSpectrogramFeatures\n"
        "  init_args: {sample_rate: 24000, n_fft: 1024, hop_length: 256, n_mels: 100, padding: center}\n"
        "backbone:\n"
        "  class_path: vocos.models.VocosBackbone\n"
        "  init_args: {input_channels: 100, dim: 512, intermediate_dim: 1536, num_layers: 8}\n"
        "head:\n"
        "  class_path: vocos.heads.ISTFTHead\n"
        "  init_args: {dim: 512, n_fft: 1024, hop_length: 256, padding: center}\n"
    )
    assert resolve_side(str(tmp_path)).convention == mel_conventions()["vocos-24khz"]


def test_a_bundled_checkpoint():
    """By its name alone, and it is what that name loads."""
    side = resolve_side(BUNDLED)
    assert (side.kind, side.model) == ("bundled checkpoint", BUNDLED)
    assert side.convention == Vocos.from_pretrained(BUNDLED).mel


def test_a_published_checkpoint_of_a_known_mel():
    """From its card, in whatever case, without a network."""
    side = resolve_side("Charactr/vocos-mel-24khz")
    assert side.kind == "published checkpoint"
    assert side.convention == mel_conventions()["vocos-24khz"]


def test_a_published_checkpoint_of_an_unknown_mel():
    """It isn't downloaded; what to do instead is said."""
    with pytest.raises(SideError, match=r"isn't known without its files.*save_pretrained"):
        resolve_side("projecte-aina/alvocat-vocos-22khz")


def test_a_published_checkpoint_that_can_t_be_loaded():
    """With the card's own reason."""
    with pytest.raises(SideError, match="can't be loaded: it is an ONNX graph"):
        resolve_side("wetdog/vocos-mel-24khz-onnx")


def test_a_convention():
    """Of any plugin."""
    side = resolve_side("coqui-default")
    assert (side.kind, side.toolkit, side.model) == ("convention", None, None)
    assert side.convention is mel_conventions()["coqui-default"]


def test_a_coqui_config(coqui_config):
    """The file, or the folder that it lies in."""
    file = coqui_config()
    for given in (file, file.parent):
        side = resolve_side(str(given))
        assert (side.kind, side.toolkit) == ("coqui config", "coqui")
        assert side.convention == mel_conventions()["coqui-ljspeech"]


@pytest.mark.parametrize("kind", ["nemo_yaml", "nemo_archive"])
def test_a_nemo_model(kind, request):
    """Its archive or a training's YAML."""
    side = resolve_side(str(request.getfixturevalue(kind)))
    assert side.kind == "nemo config"
    assert side.convention == mel_conventions()["nemo-fastpitch-22khz"]


def test_speechbrain_hyperparameters_are_not_executed(hyperparams):
    """The file calls a function when SpeechBrain loads it; here it doesn't."""
    for given in (hyperparams, hyperparams.parent):
        side = resolve_side(str(given))
        assert side.kind == "speechbrain config"
        assert side.convention == mel_conventions()["speechbrain-ljspeech"]
    assert not (hyperparams.parents[1] / "ran").exists()


def test_the_same_hyperparameters_do_run_in_the_toolkit_s_own_reader(hyperparams):
    """Or the test above would prove nothing."""
    hyperpyyaml = pytest.importorskip("hyperpyyaml")
    hyperpyyaml.load_hyperpyyaml(hyperparams.read_text())
    assert (hyperparams.parents[1] / "ran").is_dir()


def test_a_path_comes_before_a_name(coqui_config, monkeypatch, tmp_path):
    """A folder of a convention's name is the folder, if there is a model in it."""
    coqui_config().rename(tmp_path / "taken.json")
    folder = tmp_path / "hifigan-22khz"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve_side("hifigan-22khz").kind == "convention"
    (tmp_path / "taken.json").rename(folder / "config.json")
    assert resolve_side("hifigan-22khz").kind == "coqui config"


def test_a_reader_s_reason_is_passed_on(coqui_config):
    """What the toolkit's file says that can't be."""
    with pytest.raises(SideError, match="log_func must be one of"):
        resolve_side(str(coqui_config(log_func="np.log2")))


def test_a_damaged_configuration_of_ours(checkpoint):
    """The key that is wrong is named, and no other reader guesses at it."""
    file = checkpoint / "config.yaml"
    file.write_text(file.read_text().replace("n_mels:", "mels:"))
    with pytest.raises(SideError, match="unknown key 'mels'"):
        resolve_side(str(checkpoint))


@pytest.mark.parametrize("wrong", ["n_mels: eighty", "n_mels: 0"])
def test_a_damaged_training_configuration(tmp_path, wrong):
    """With the file's name."""
    text = (RECIPES / "vocos-mel-22khz.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("n_mels: 80", wrong))
    with pytest.raises(SideError, match=r"mine\.yaml: model: features.*n_mels"):
        resolve_side(str(tmp_path / "mine.yaml"))


class Reader:
    """An adapter that does one thing."""

    def __init__(self, name, act):
        self.name = name
        self.read_convention = act


def raising(error):
    def read(path):
        raise error

    return read


def test_a_broken_reader_leaves_the_others_their_turn(monkeypatch, tmp_path):
    """Of two adapters, the first fails at whatever it is given."""
    mel = mel_conventions()["hifigan-22khz"]
    adapters = [Reader("worse", raising(KeyError("audio"))), Reader("better", lambda _: mel)]
    monkeypatch.setattr(module, "toolkit_adapters", lambda: {each.name: each for each in adapters})
    side = resolve_side(str(tmp_path))
    assert (side.toolkit, side.convention) == ("better", mel)
    adapters.pop()
    with pytest.raises(SideError, match="adapter 'worse' failed to read it: KeyError: 'audio'"):
        resolve_side(str(tmp_path))


def test_all_reasons_are_given(monkeypatch, tmp_path):
    """If two toolkits know the file and neither can read it."""
    adapters = [Reader(name, raising(ConventionError(f"{name} says no"))) for name in ("one", "two")]
    monkeypatch.setattr(module, "toolkit_adapters", lambda: {each.name: each for each in adapters})
    with pytest.raises(SideError, match="one says no\ntwo says no"):
        resolve_side(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("coqui-defualt", "coqui-default"),
        ("vocos-mel-22khz-smal", BUNDLED),
        ("vocos-mel-24khz", "charactr/vocos-mel-24khz"),
        ("HIFIGAN-22KHZ", "hifigan-22khz"),
    ],
)
def test_an_unknown_name_gets_the_nearest(text, nearest):
    """Also with the organisation left out; never what can't be loaded."""
    with pytest.raises(SideError, match="Did you mean") as caught:
        resolve_side(text)
    assert repr(nearest) in str(caught.value)
    assert "onnx" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "/no/such/file.nemo", "x" * 5000, "nul\0"], ids=["empty", "path", "long", "nul"])
def test_nonsense_lists_what_is_accepted(text):
    """Whatever was typed."""
    with pytest.raises(SideError, match=r"no file, directory or known name.*config\.json.*convention"):
        resolve_side(text)


def test_a_file_of_another_kind(tmp_path):
    """It is there, but nobody's."""
    (tmp_path / "notes.txt").write_text("mel")
    for path, what in ((tmp_path / "notes.txt", "file"), (tmp_path, "directory")):
        with pytest.raises(SideError, match=f"no reader knows the {what}"):
            resolve_side(str(path))


def test_sides_are_values(coqui_config):
    """Equal where all they say is equal."""
    side = resolve_side(str(coqui_config()))
    assert side == resolve_side(str(coqui_config()))
    assert side != dataclasses.replace(side, name="other")
