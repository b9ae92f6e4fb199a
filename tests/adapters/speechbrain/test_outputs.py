"""SpeechBrain's models without a mel, whose files have one as a loss, and those that only listen."""

from __future__ import annotations

import io

import pytest
from vocos_speechbrain.mel import DEFAULT, from_speechbrain, read_convention

from vocos_plugins.mel import ConventionError

pytestmark = pytest.mark.xdist_group("speechbrain")

HIFIGAN = "!new:speechbrain.lobes.models.HifiGAN"
WITHOUT_MEL = {
    "units": (f"generator: {HIFIGAN}.UnitHifiganGenerator\n  in_channels: 128", "takes discrete units"),
    "referenced": (f"g: {HIFIGAN}.UnitHifiganGenerator\nmodules: {{generator: !ref <g>}}", "takes discrete units"),
    "nested": (f"modules:\n  generator: {HIFIGAN}.UnitHifiganGenerator\n    in_channels: 8", "takes discrete units"),
    "vits": ("model: !new:speechbrain.lobes.models.VITS.VITS", "VITS has no mel for a vocoder: it outputs a waveform"),
    "features": (f"size: 768\ndecoder: {HIFIGAN}.HifiganGenerator\n  in_channels: !ref <size> * 1", "of 768 channels"),
    "noise": ("model: !new:speechbrain.lobes.models.DiffWave.DiffWave\n  unconditional: True", "it is unconditional"),
}
WITH_MEL = {
    "hifigan": f"generator: {HIFIGAN}.HifiganGenerator\n  in_channels: !ref <n_mel_channels>",
    "tacotron2": "model: !new:speechbrain.lobes.models.Tacotron2.Tacotron2\n  n_mel_channels: !ref <n_mel_channels>",
    "diffwave": "model: !new:speechbrain.lobes.models.DiffWave.DiffWave\n  unconditional: False",
    "speakers": "encoder: !new:speechbrain.lobes.features.Fbank\n  n_mels: 40",
}


@pytest.mark.parametrize(("text", "message"), WITHOUT_MEL.values(), ids=WITHOUT_MEL)
def test_models_without_mel(text, message, recipe_text, write):
    """A mel that is only a loss is refused, with what the model takes or outputs."""
    with pytest.raises(ConventionError, match=rf"hyperparams\.yaml: .*has no mel.*{message.split('mel')[-1]}"):
        read_convention(write(f"{recipe_text()}\n{text}\n"))


@pytest.mark.parametrize("text", WITH_MEL.values(), ids=WITH_MEL)
def test_models_with_a_mel(text, recipe_text, write):
    """Models whose features are the file's mel are read, whatever else they build."""
    assert read_convention(write(f"{recipe_text()}\n{text}\n")) == DEFAULT


def test_a_loaded_model(recipe_text):
    """SpeechBrain's own object is refused as its file is."""
    from hyperpyyaml import load_hyperpyyaml

    generator = (
        f"generator: {HIFIGAN}.UnitHifiganGenerator\n  in_channels: 8\n  out_channels: 1\n  resblock_type: '1'\n"
        "  resblock_dilation_sizes: [[1, 1, 1]]\n  resblock_kernel_sizes: [3]\n  upsample_kernel_sizes: [4]\n"
        "  upsample_initial_channel: 4\n  upsample_factors: [2]\n  vocab_size: 5\n  embedding_dim: 8\n"
    )
    loaded = load_hyperpyyaml(io.StringIO(f"{recipe_text()}\n{generator}"))
    with pytest.raises(ConventionError, match="UnitHifiganGenerator has no mel for a vocoder: it takes discrete units"):
        from_speechbrain(loaded)


def test_without_any_mel(write):
    """Hyperparameters for inference have no mel at all; a recognizer's have the features that it listens to."""
    with pytest.raises(ConventionError, match="takes discrete units"):
        read_convention(write(f"sample_rate: 16000\ngenerator: {HIFIGAN}.UnitHifiganGenerator\n"))
    with pytest.raises(ConventionError, match="listens to the features of SpeechBrain's Fbank"):
        read_convention(write("sample_rate: 16000\nn_mels: 40\ncompute: !new:speechbrain.lobes.features.Fbank\n"))


def test_repeated_anchors(recipe_text, write):
    """Anchors that repeat one another make a small file of 2^59 values, which is refused at once."""
    levels = "\n".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}" for n in range(1, 60))
    with pytest.raises(ConventionError, match="aliases add more than"):
        read_convention(write(f"{recipe_text()}\na0: &a0 {{}}\n{levels}\n"))
