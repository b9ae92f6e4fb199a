"""NeMo's models without a mel, and those whose configuration does not say which."""

from __future__ import annotations

import pytest
import yaml
from vocos_nemo.mel import from_nemo, read_convention

from vocos_plugins.mel import ConventionError

pytestmark = pytest.mark.xdist_group("nemo")

TTS = "nemo.collections.tts"
ENCODER = {"_target_": f"{TTS}.modules.transformer.FFTransformerEncoder"}
GENERATOR = {"_target_": f"{TTS}.modules.hifigan_modules.Generator"}
ALIGNMENT = {"_target_": f"{TTS}.modules.aligner.AlignmentEncoder"}
# Sections beside the preprocessor, and what the model outputs.
WITHOUT_MEL = {
    "class-vits": ({"target": f"{TTS}.models.vits.VitsModel"}, "NeMo's VitsModel .* outputs a waveform"),
    "class-e2e": ({"target": f"{TTS}.models.FastPitchHifiGanE2EModel"}, "outputs a waveform"),
    "class-magpie": ({"target": f"{TTS}.models.magpietts.MagpieTTSModel"}, "outputs codes"),
    "class-aligner": ({"target": f"{TTS}.models.AlignerModel"}, "outputs an alignment"),
    "class-asr": ({"target": "nemo.collections.asr.models.EncDecCTCModelBPE"}, "outputs text"),
    "vits": ({"generator": {"_target_": f"{TTS}.modules.vits_modules.Generator"}}, "outputs a waveform"),
    "nested": ({"net": {"inner": {"_target_": f"{TTS}.modules.vits_modules.Flow"}}}, "outputs a waveform"),
    "old-vits": ({"net": {"cls": f"{TTS}.modules.vits_modules.Generator"}}, "outputs a waveform"),
    "e2e": ({"input_fft": ENCODER, "generator": GENERATOR}, "outputs a waveform"),
    "codec": ({"encoder": {"_target_": f"{TTS}.modules.audio_codec_modules.MelEncoder"}}, "outputs codes"),
    "codec-path": ({"codecmodel_path": "codec.nemo"}, "outputs codes"),
    "aligner": ({"alignment_encoder": ALIGNMENT}, "outputs an alignment"),
    "asr": ({"decoder": {"_target_": "nemo.collections.asr.modules.ConvASRDecoder"}}, "outputs text"),
    "ssl": ({"downstream_heads": {"task_names": ["content"]}}, "outputs embeddings"),
}
# The same of models that take or give a mel, which must stay readable.
WITH_MEL = {
    "fastpitch": {"input_fft": ENCODER, "alignment_module": ALIGNMENT},
    "hifigan": {"generator": GENERATOR, "target": f"{TTS}.models.hifigan.HifiGanModel"},
    "talknet": {"model": {"_target_": "nemo.collections.asr.modules.ConvASREncoder"}},
    "tacotron2": {"decoder": {"_target_": f"{TTS}.modules.tacotron2.Decoder"}},
    "logged": {"input_fft": ENCODER, "log_config": {"vocoder": GENERATOR}},
}
DATASET = {"sample_rate": "${sample_rate}", "n_mels": 80, "hop_length": 256, "manifest_filepath": "???"}


@pytest.mark.parametrize(("sections", "message"), WITHOUT_MEL.values(), ids=WITHOUT_MEL)
def test_models_without_mel(sections, message, recipe_options, write):
    """A mel that is only a loss, or only listened to, is refused with what the model outputs, in every kind of file."""
    model = {**sections, "preprocessor": recipe_options("nemo-hifigan-22khz")}
    training = write(yaml.safe_dump({"name": "x", "model": model}), "train.yaml")
    unpacked = write(yaml.safe_dump(model), "model_config.yaml")
    for path in (training, unpacked):
        with pytest.raises(ConventionError, match=rf"{path.name}: .* has no mel for a vocoder.*{message.split()[-1]}"):
            read_convention(path)
    with pytest.raises(ConventionError, match=message):
        from_nemo(model)


@pytest.mark.parametrize("sections", WITH_MEL.values(), ids=WITH_MEL)
def test_models_with_a_mel(sections, recipe_options, write):
    """Networks that such models share with those without a mel refuse nothing."""
    model = {**sections, "preprocessor": recipe_options("nemo-hifigan-22khz")}
    assert read_convention(write(yaml.safe_dump({"model": model}), "train.yaml")).name == "nemo-hifigan-22khz"
    assert from_nemo(model).name == "nemo-hifigan-22khz"


@pytest.mark.parametrize("target", [f"{TTS}.models.RadTTSModel", f"{TTS}.models.SpectrogramEnhancerModel"])
def test_models_that_do_not_say_which_mel(target, write):
    """Without a preprocessor, the message names what the training data has and the ways out."""
    model = {"target": target, "train_ds": {"dataset": DATASET}}
    training = write(yaml.safe_dump({"sample_rate": 22050, "model": model}), "train.yaml")
    message = (
        rf"this {target.rpartition('.')[2]}'s configuration does not say which mel .*"
        r"sample_rate 22050, hop_length 256, n_mels 80\. .*vocos conventions.*vocos doctor --mel FILE"
    )
    with pytest.raises(ConventionError, match=message):
        read_convention(training)
    with pytest.raises(ConventionError, match="does not say which mel it uses: it has no preprocessor"):
        read_convention(write(yaml.safe_dump(model), "model_config.yaml"))
    with pytest.raises(ConventionError, match="does not say which mel"):
        from_nemo(model)


def test_a_group_of_options_is_no_model(write):
    """A file of one group names NeMo's classes, but is not NeMo's configuration of a model."""
    assert read_convention(write(f"mel_feature: {{_target_: {TTS}.parts.Featurizer}}", "feature.yaml")) is None


def test_repeated_anchors(write):
    """Anchors that repeat one another make a small file of 2^59 values, which is left at once."""
    levels = "\n".join(f"  a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}" for n in range(1, 60))
    text = f"model:\n  target: {TTS}.models.RadTTSModel\n  a0: &a0 {{}}\n{levels}\n"
    assert read_convention(write(text, "train.yaml")) is None
    with pytest.raises(ConventionError, match="aliases add more than"):
        read_convention(write(text, "model_config.yaml"))


@pytest.mark.parametrize("place", ["preprocessor", "model"])
def test_old_blocks(place, recipe_options, write):
    """``cls`` and ``params`` of NeMo 0.x are read as NeMo upgrades them: options in params win, targets stay."""
    from nemo.utils.model_utils import maybe_update_config_version
    from omegaconf import OmegaConf

    options = {**recipe_options("nemo-hifigan-22khz"), "nfilt": "${n_mels}", "highfreq": "${..lowfreq}"}
    target = options.pop("_target_").replace(".parts.preprocessing.", ".parts.")
    block = {"cls": target, "lowfreq": 7000, "highfreq": 1, "params": options}
    config = (
        {"n_mels": 80, "preprocessor": block}
        if place == "preprocessor"
        else {
            "n_mels": 80,
            "model": {"preprocessor": block},
        }
    )
    resolved = OmegaConf.create(OmegaConf.to_container(OmegaConf.create(config), resolve=True))
    upgraded = maybe_update_config_version(resolved)
    theirs = upgraded.preprocessor if place == "preprocessor" else upgraded.model.preprocessor
    assert (theirs.highfreq, theirs.lowfreq, theirs.nfilt, theirs._target_) == (7000, 0, 80, target)
    found = from_nemo(config)
    assert found == from_nemo(theirs) == from_nemo(OmegaConf.create(config))
    assert (found.f_max, found.n_mels, found.framing) == (7000.0, 80, "same")
    name = "model_config.yaml" if place == "preprocessor" else "train.yaml"
    assert read_convention(write(yaml.safe_dump(config), name)) == found


def test_old_blocks_that_are_broken(recipe_options):
    """Parameters that are no mapping are named."""
    with pytest.raises(ConventionError, match=r"params: expected a mapping, got \[80\]"):
        from_nemo({"cls": "nemo.x.FilterbankFeatures", "params": [80]})
