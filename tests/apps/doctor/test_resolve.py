"""Names and paths that a user can type for a model or a vocoder."""

from __future__ import annotations

import dataclasses

import pytest

from helpers.paths import ROOT
from vocos_plugins import Vocos
from vocos_plugins.apps.doctor import EndpointError, resolve_endpoint
from vocos_plugins.apps.doctor import resolve as module
from vocos_plugins.config import EncodecCodes
from vocos_plugins.mel import ConventionError
from vocos_plugins.plugins import mel_conventions

RECIPES = ROOT / "recipes" / "lightning"
BUNDLED = "vocos-mel-22khz-small"


@pytest.fixture
def checkpoint(make_model, tmp_path):
    """A saved checkpoint directory."""
    directory = tmp_path / "checkpoint"
    make_model("mel", "convnext", "istft", "center").save_pretrained(directory)
    return directory


def test_a_checkpoint_directory_needs_no_weights(checkpoint, make_config):
    """Only its configuration is read."""
    (checkpoint / "model.safetensors").unlink()
    endpoint = resolve_endpoint(str(checkpoint))
    assert (endpoint.kind, endpoint.model, endpoint.path) == ("checkpoint", str(checkpoint), checkpoint)
    assert endpoint.convention == make_config("mel").features


def test_its_configuration_file_stands_for_the_directory(checkpoint):
    """The name to load it by is the directory."""
    endpoint = resolve_endpoint(str(checkpoint / "config.yaml"))
    assert endpoint.model == str(checkpoint)
    assert Vocos.from_pretrained(endpoint.model).mel == endpoint.convention


def test_an_encodec_checkpoint_has_no_convention(make_model, tmp_path):
    """Its features are EnCodec codes."""
    make_model("encodec", "adanorm").save_pretrained(tmp_path / "codes")
    endpoint = resolve_endpoint(str(tmp_path / "codes"))
    assert endpoint.convention is None
    assert isinstance(endpoint.features, EncodecCodes)


@pytest.mark.parametrize(("name", "rate"), [("vocos-mel-44khz", 44100), ("vocos-encodec", 24000)])
def test_a_training_configuration(name, rate):
    """A training configuration can be compared before the training."""
    endpoint = resolve_endpoint(str(RECIPES / f"{name}.yaml"))
    assert (endpoint.kind, endpoint.model) == ("training config", None)
    assert endpoint.features.sample_rate == rate


def test_a_configuration_of_the_reference_package(tmp_path):
    """The configuration format of the published checkpoints is read."""
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
    assert resolve_endpoint(str(tmp_path)).convention == mel_conventions()["vocos-24khz"]


def test_a_bundled_checkpoint():
    """Its name alone resolves to the mel of the model that it loads."""
    endpoint = resolve_endpoint(BUNDLED)
    assert (endpoint.kind, endpoint.model) == ("bundled checkpoint", BUNDLED)
    assert endpoint.convention == Vocos.from_pretrained(BUNDLED).mel


def test_a_published_checkpoint_of_a_known_mel():
    """Its convention comes from its card, without a network; the name's case doesn't matter."""
    endpoint = resolve_endpoint("Charactr/vocos-mel-24khz")
    assert endpoint.kind == "published checkpoint"
    assert endpoint.convention == mel_conventions()["vocos-24khz"]


def test_a_published_checkpoint_of_an_unknown_mel():
    """It isn't downloaded; the error says what to do instead."""
    with pytest.raises(EndpointError, match=r"isn't known without its files.*save_pretrained"):
        resolve_endpoint("projecte-aina/alvocat-vocos-22khz")


def test_a_published_checkpoint_that_can_t_be_loaded():
    """The error has the card's own reason."""
    with pytest.raises(EndpointError, match="can't be loaded: it is an ONNX graph"):
        resolve_endpoint("wetdog/vocos-mel-24khz-onnx")


def test_a_convention():
    """A convention of any plugin resolves by its name."""
    endpoint = resolve_endpoint("coqui-default")
    assert (endpoint.kind, endpoint.toolkit, endpoint.model) == ("convention", None, None)
    assert endpoint.convention is mel_conventions()["coqui-default"]


def test_a_coqui_config(coqui_config):
    """The file and the folder that contains it both resolve."""
    file = coqui_config()
    for path in (file, file.parent):
        endpoint = resolve_endpoint(str(path))
        assert (endpoint.kind, endpoint.toolkit) == ("coqui config", "coqui")
        assert endpoint.convention == mel_conventions()["coqui-ljspeech"]


@pytest.mark.parametrize("kind", ["nemo_yaml", "nemo_archive"])
def test_a_nemo_model(kind, request):
    """Its archive and a training's YAML both resolve."""
    endpoint = resolve_endpoint(str(request.getfixturevalue(kind)))
    assert endpoint.kind == "nemo config"
    assert endpoint.convention == mel_conventions()["nemo-fastpitch-22khz"]


def test_a_transformers_model(tmp_path):
    """The file and the folder that contains it both resolve; one of another kind of model says what is known."""
    file = tmp_path / "preprocessor_config.json"
    file.write_text('{"feature_extractor_type": "SpeechT5FeatureExtractor", "sampling_rate": 16000}')
    for path in (file, tmp_path):
        endpoint = resolve_endpoint(str(path))
        assert (endpoint.kind, endpoint.convention) == ("transformers config", mel_conventions()["speecht5"])
    file.write_text('{"feature_extractor_type": "WhisperFeatureExtractor"}')
    with pytest.raises(EndpointError, match="no convention can express the mel of WhisperFeatureExtractor"):
        resolve_endpoint(str(tmp_path))


def test_speechbrain_hyperparameters_are_not_executed(hyperparams):
    """The file calls a function when SpeechBrain loads it, but not when it is resolved."""
    for path in (hyperparams, hyperparams.parent):
        endpoint = resolve_endpoint(str(path))
        assert endpoint.kind == "speechbrain config"
        assert endpoint.convention == mel_conventions()["speechbrain-ljspeech"]
    assert not (hyperparams.parents[1] / "ran").exists()


def test_the_same_hyperparameters_do_run_in_the_toolkit_s_own_reader(hyperparams):
    """The file of the test above does run code in SpeechBrain, so that test proves something."""
    hyperpyyaml = pytest.importorskip("hyperpyyaml")
    hyperpyyaml.load_hyperpyyaml(hyperparams.read_text())
    assert (hyperparams.parents[1] / "ran").is_dir()


def test_a_path_comes_before_a_name(coqui_config, monkeypatch, tmp_path):
    """A folder with a convention's name wins if there is a model in it."""
    coqui_config().rename(tmp_path / "taken.json")
    folder = tmp_path / "hifigan-22khz"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve_endpoint("hifigan-22khz").kind == "convention"
    (tmp_path / "taken.json").rename(folder / "config.json")
    assert resolve_endpoint("hifigan-22khz").kind == "coqui config"


def test_a_reader_s_reason_is_passed_on(coqui_config):
    """The error has the reader's reason for an invalid value."""
    with pytest.raises(EndpointError, match="log_func must be one of"):
        resolve_endpoint(str(coqui_config(log_func="np.log2")))


def test_a_damaged_configuration_of_ours(checkpoint):
    """The error names the wrong key, and no other reader is tried."""
    file = checkpoint / "config.yaml"
    file.write_text(file.read_text().replace("n_mels:", "mels:"))
    with pytest.raises(EndpointError, match="unknown key 'mels'"):
        resolve_endpoint(str(checkpoint))


@pytest.mark.parametrize("wrong", ["n_mels: eighty", "n_mels: 0"])
def test_a_damaged_training_configuration(tmp_path, wrong):
    """The error has the file's name and the key."""
    text = (RECIPES / "vocos-mel-22khz.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("n_mels: 80", wrong))
    with pytest.raises(EndpointError, match=r"mine\.yaml: model: features.*n_mels"):
        resolve_endpoint(str(tmp_path / "mine.yaml"))


class Reader:
    """An adapter that only reads conventions."""

    def __init__(self, name, act):
        self.name = name
        self.read_convention = act


def raising(error):
    def read(path):
        raise error

    return read


def test_a_broken_reader_does_not_stop_the_others(monkeypatch, tmp_path):
    """If the first of two adapters fails at every file, the second is still tried."""
    mel = mel_conventions()["hifigan-22khz"]
    adapters = [Reader("worse", raising(KeyError("audio"))), Reader("better", lambda _: mel)]
    monkeypatch.setattr(module, "toolkit_adapters", lambda: {each.name: each for each in adapters})
    endpoint = resolve_endpoint(str(tmp_path))
    assert (endpoint.toolkit, endpoint.convention) == ("better", mel)
    adapters.pop()
    with pytest.raises(EndpointError, match="adapter 'worse' failed to read it: KeyError: 'audio'"):
        resolve_endpoint(str(tmp_path))


def test_all_reasons_are_given(monkeypatch, tmp_path):
    """If two toolkits know the file and neither can read it, the error has both reasons."""
    adapters = [Reader(name, raising(ConventionError(f"{name} says no"))) for name in ("one", "two")]
    monkeypatch.setattr(module, "toolkit_adapters", lambda: {each.name: each for each in adapters})
    with pytest.raises(EndpointError, match="one says no\ntwo says no"):
        resolve_endpoint(str(tmp_path))


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
    """The organisation may be missing; checkpoints that can't be loaded are never suggested."""
    with pytest.raises(EndpointError, match="did you mean") as caught:
        resolve_endpoint(text)
    assert repr(nearest) in str(caught.value)
    assert "onnx" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "/no/such/file.nemo", "x" * 5000, "nul\0"], ids=["empty", "path", "long", "nul"])
def test_nonsense_lists_what_is_expected(text):
    """The error lists all kinds of names and paths."""
    with pytest.raises(EndpointError, match=r"(?s)is not a file, directory or known name.*config\.json.*convention"):
        resolve_endpoint(text)


def test_a_file_of_another_kind(tmp_path):
    """The error says that no reader knows an existing file or directory."""
    (tmp_path / "notes.txt").write_text("mel")
    for path, what in ((tmp_path / "notes.txt", "file"), (tmp_path, "directory")):
        with pytest.raises(EndpointError, match=f"no reader knows the {what}"):
            resolve_endpoint(str(path))


def test_endpoints_are_values(coqui_config):
    """Endpoints are equal if all their attributes are."""
    endpoint = resolve_endpoint(str(coqui_config()))
    assert endpoint == resolve_endpoint(str(coqui_config()))
    assert endpoint != dataclasses.replace(endpoint, name="other")
