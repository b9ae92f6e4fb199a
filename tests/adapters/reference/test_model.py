"""Models as programs use them: copied, moved, changed, subclassed, saved and loaded."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import yaml
from torch import nn
from vocos_reference.backbones import VocosBackbone
from vocos_reference.codes import EncodecFeatures
from vocos_reference.construction import instantiate_class
from vocos_reference.extractors import MelSpectrogramFeatures
from vocos_reference.fourier_heads import ISTFTHead
from vocos_reference.pretrained import Vocos

from vocos_plugins import MelMismatch, MelSpectrogram, adapt
from vocos_plugins import Vocos as Core
from vocos_plugins.inference.fast.engine import FastEngine
from vocos_plugins.mel.known import VOCOS_24KHZ
from vocos_plugins.network.encodec_encoder import EncodecEncoder
from vocos_plugins.storage.safe_files import CheckpointError

SAME = 1e-5  # relative to the peak


@pytest.fixture
def features(oracle) -> torch.Tensor:
    return oracle["cases"]["center"]["features"]


@pytest.fixture
def audio(oracle) -> torch.Tensor:
    return oracle["cases"]["center"]["audio"]


@pytest.mark.parametrize("name", ["center", "resnet", "symexp", "encodec"])
def test_copies(name, load, oracle, relative_error) -> None:
    """A deep copy and an unpickled model decode to the same, also after a decode; their weights are their own."""
    model, given = load(name), oracle["cases"][name]["features"]
    options = {"bandwidth_id": 1} if name == "encodec" else {}
    expected = model.decode(given, **options)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301
        assert relative_error(other.decode(given, **options), expected) < SAME
        assert [*other.state_dict()] == [*model.state_dict()]
        nn.init.zeros_(other.head.out.bias)
        assert relative_error(other.decode(given, **options), expected) > SAME
    assert torch.equal(model.decode(given, **options), expected)


def test_precisions(load, features, audio, relative_error) -> None:
    """In half precision and in float64 the modules compute; heads and windows stay in float32 at least."""
    model = load("center")
    model.decode(features)
    for change, dtype, tolerance in (("half", torch.float16, 0.05), ("bfloat16", torch.bfloat16, 0.5)):
        changed = getattr(copy.deepcopy(model), change)()
        assert changed.backbone.embed.weight.dtype == dtype
        assert changed.head.istft.window.dtype == torch.float32
        decoded = changed.decode(features.to(dtype))
        assert decoded.dtype == torch.float32
        assert relative_error(decoded, audio) < tolerance
    double = model.to(torch.float64).decode(features.double())
    assert double.dtype == torch.float64
    assert relative_error(double.float(), audio) < SAME
    assert relative_error(model.to("cpu", torch.float32).decode(features), audio) < SAME


def test_weights_that_change_are_seen(load, build, oracle, features, audio, relative_error) -> None:
    """Weights that are loaded, written or exchanged after a decode are those of the next one."""
    model = build("center").eval()
    model.decode(features)
    model.load_state_dict(oracle["cases"]["center"]["state"], strict=True)
    assert relative_error(model.decode(features), audio) < SAME
    model.load_state_dict({key: value.clone() for key, value in model.state_dict().items()}, assign=True)
    assert relative_error(model.decode(features), audio) < SAME
    model.head = build("center").head
    assert relative_error(model.decode(features), audio) > SAME
    model.head = load("center").head
    assert relative_error(model.decode(features), audio) < SAME


def test_no_gradients_and_training(load, features) -> None:
    """Decoding records no gradients; backbone and head by themselves train."""
    model = load("center").train()
    assert not model.decode(features).requires_grad
    model.head(model.backbone(features)).square().mean().backward()
    assert all(weight.grad is not None for weight in model.parameters())


class Louder(ISTFTHead):
    """A head that calls its parts by the reference's names."""

    def forward(self, x):
        log_magnitude, phase = self.out(x).transpose(1, 2).chunk(2, dim=1)
        return 2 * self.istft(torch.polar(log_magnitude.exp().clip(max=1e2), phase))


class Copied(VocosBackbone):
    """The reference's own `forward`."""

    def forward(self, x, **kwargs):
        bandwidth_id = kwargs.get("bandwidth_id")
        x = self.embed(x)
        x = self.norm(x.transpose(1, 2), **({"cond_embedding_id": bandwidth_id} if self.adanorm else {}))
        x = x.transpose(1, 2)
        for block in self.convnext:
            x = block(x, cond_embedding_id=bandwidth_id)
        return self.final_layer_norm(x.transpose(1, 2))


class Quiet(MelSpectrogramFeatures):
    """An extractor that calls torchaudio's part by itself."""

    def forward(self, audio, **kwargs):
        return torch.log(torch.clip(self.mel_spec(audio / 2), min=1e-7))


@pytest.fixture
def subclassed(oracle) -> Vocos:
    """Returns a model of three subclasses with the oracle's weights."""
    model = Vocos(Quiet(16000, 64, 16, 12), Copied(12, 16, 32, 2), Louder(16, 64, 16, "center")).eval()
    model.load_state_dict(oracle["cases"]["center"]["state"], strict=True)
    return model


def test_subclasses(subclassed, load, oracle, features, audio, relative_error) -> None:
    """Subclasses compute what their author wrote, by their modules."""
    assert relative_error(subclassed.decode(features), 2 * audio) < SAME
    assert subclassed._backend._built is None
    given = oracle["cases"]["center"]["input"]
    assert relative_error(subclassed(given), 2 * load("center")(given / 2)) < SAME


def test_subclasses_with_a_bandwidth(oracle, relative_error) -> None:
    """Options go to a subclass as they are."""
    case = oracle["cases"]["encodec"]
    model = Vocos(EncodecFeatures(), Copied(128, 16, 32, 2, None, 4), ISTFTHead(16, 1280, 320)).eval()
    model.load_state_dict(case["state"], strict=True)
    found = model.decode(case["features"], bandwidth_id=case["ids"]["each"])
    assert relative_error(found, case["audio"]["each"]) < SAME


def test_other_extractors_are_no_obstacle(load, features, audio, relative_error) -> None:
    """A decoder whose extractor is somebody else's is decoded by the engine."""
    model = load("center")
    decoder = Vocos(nn.Identity(), model.backbone, model.head).eval()
    assert relative_error(decoder.decode(features), audio) < SAME
    assert isinstance(decoder._backend._built[1], FastEngine)


def test_hooks_run(load, features, audio, relative_error) -> None:
    """A module with a hook is computed as a module."""
    model = load("center")
    model.decode(features)
    model.head.register_forward_hook(lambda *call: -call[-1])
    assert relative_error(model.decode(features), -audio) < SAME


@pytest.mark.parametrize("name", ["center", "resnet", "symexp", "cos", "encodec"])
def test_from_pretrained(name, load, oracle, tmp_path, cases, relative_error) -> None:
    """A directory in the published form is loaded, in eval mode, with foreign keys or without."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(cases[name], sort_keys=False))
    torch.save(oracle["cases"][name]["state"], tmp_path / "pytorch_model.bin")
    model = Vocos.from_pretrained(str(tmp_path))
    assert not model.training
    expected = load(name)
    options = {"bandwidth_id": torch.tensor([3])} if name == "encodec" else {}
    given = oracle["cases"][name]["features"]
    assert relative_error(model.decode(given, **options), expected.decode(given, **options)) < SAME
    assert type(model.feature_extractor) is type(expected.feature_extractor)
    assert [*model.state_dict()] == [*expected.state_dict()]


def test_unsafe_files_are_refused(oracle, tmp_path, cases) -> None:
    """A pickle that calls something is not run, and a configuration imports nothing."""

    class Evil:
        def __reduce__(self):
            return print, ("evil",)

    (tmp_path / "config.yaml").write_text(yaml.safe_dump(cases["center"]))
    torch.save({"head.out.bias": Evil()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="print"):
        Vocos.from_pretrained(str(tmp_path))
    for path, error in (("antigravity.Head", "never chooses what is imported"), ("pathlib.Path", "must be a Fourier")):
        evil = {**cases["center"], "head": {"class_path": path}}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(evil))
        with pytest.raises(ValueError, match=error):
            Vocos.from_hparams(str(tmp_path / "config.yaml"))


def test_instantiate_class() -> None:
    """Classes of ``vocos`` are this package's, others are imported."""
    path = "vocos.feature_extractors.MelSpectrogramFeatures"
    extractor = instantiate_class(args=(), init={"class_path": path, "init_args": {"n_mels": 20}})
    assert type(extractor) is MelSpectrogramFeatures
    assert extractor.mel_spec.n_mels == 20
    assert isinstance(
        instantiate_class(3, {"class_path": "torch.nn.Linear", "init_args": {"out_features": 2}}), nn.Linear
    )
    with pytest.raises(ImportError, match="vocos disable vocos"):
        instantiate_class((), {"class_path": "vocos.experiment.VocosExp"})


def test_own_models(relative_error) -> None:
    """A bundled model loads by its name, and decodes as in the core without a postfilter."""
    model, core = Vocos.from_pretrained("vocos-mel-22khz-small"), Core.from_pretrained("vocos-mel-22khz-small")
    core.set_postfilter(None)
    audio = torch.randn(1, 22050, generator=torch.Generator().manual_seed(0)) / 10
    mel = MelSpectrogram(core.mel)(audio)
    assert relative_error(model.decode(mel), core.decode(mel)) < SAME
    assert relative_error(model(audio), core(audio)) < SAME


def test_adapt(make_model, noise, relative_error) -> None:
    """`adapt` returns a model of the core's own modules, which decodes the core's own mel, and codes."""
    core = make_model("mel", "convnext", "refined")
    model, mel = adapt(core, "vocos"), noise(2, 12, 30)
    assert isinstance(model, Vocos)
    assert relative_error(model.decode(mel), core.decode(mel)) < SAME
    core.set_refinement_steps(0)
    assert relative_error(model.decode(mel), core.decode(mel)) < SAME
    assert next(model.parameters()) is next(core.parameters())
    model.head = nn.Flatten()
    assert model.decode(mel).shape == (2, 30 * 16)
    coded = make_model("encodec", "adanorm")
    model, codes = adapt(coded, "vocos"), torch.randint(16, (2, 1, 20))
    features = model.codes_to_features(codes)
    assert torch.equal(features, coded.codes_to_features(codes))
    found = model.decode(features, bandwidth_id=torch.tensor([1]))
    assert relative_error(found, coded.decode(features, bandwidth_id=1)) < SAME
    with pytest.raises(MelMismatch, match="vocos-24khz"):
        adapt(core, "vocos", source=VOCOS_24KHZ)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ISTFTHead(16, 64, 16, "valid"), "'center' or 'same', got 'valid'"),
        (lambda: MelSpectrogramFeatures(padding="valid"), "'center' or 'same', got 'valid'"),
        (lambda: EncodecFeatures("encodec_48khz"), "encodec_48khz.*expected 'encodec_24khz'.*vocos disable vocos"),
        (lambda: EncodecFeatures()(torch.zeros(1, 320)), "bandwidth_id"),
        (lambda: VocosBackbone(128, 16, 32, 2, None, 4)(torch.zeros(1, 128, 9)), "0 to 3"),
    ],
)
def test_wrong_arguments(make, message) -> None:
    """Errors name the value and what is right."""
    with pytest.raises(ValueError, match=message):
        make()


def test_f5_s_loader_finds_an_encodec_without_weights(build, oracle) -> None:
    """F5-TTS adds EnCodec's state dict to the weights that it loads: it is empty here."""
    model = build("encodec")
    assert not model.feature_extractor.encodec.state_dict()
    weights = {key: value for key, value in oracle["cases"]["encodec"]["state"].items() if ".encodec." not in key}
    model.load_state_dict(weights, strict=True)


def test_audio_through_encodec(load, oracle, relative_error) -> None:
    """Audio is encoded by a loaded EnCodec at the bandwidth that is asked for."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    encodec = transformers.EncodecModel(transformers.EncodecConfig()).eval()
    for layer in encodec.quantizer.layers:
        layer.codebook.embed.normal_()
    model = Vocos(EncodecFeatures(), load("encodec").backbone, load("encodec").head).eval()
    extractor = model.feature_extractor
    extractor.encoder = EncodecEncoder(extractor.options, encodec)
    audio = torch.randn(1, 3200, generator=torch.Generator().manual_seed(0)) / 10
    features = extractor(audio, bandwidth_id=torch.tensor([1]))
    assert extractor.codebook_weights.any()
    extractor.encodec.set_target_bandwidth(extractor.bandwidths[1])
    codes = extractor.get_encodec_codes(audio)
    assert codes.shape == (4, 1, 10)
    assert torch.equal(model.codes_to_features(codes), features)
    expected = model.decode(features, bandwidth_id=torch.tensor([1]))
    assert relative_error(model(audio, bandwidth_id=torch.tensor([1])), expected) < SAME
