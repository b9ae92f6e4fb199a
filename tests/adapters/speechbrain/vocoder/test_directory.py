"""An exported directory in SpeechBrain's own, unmodified ``HIFIGAN``."""

from __future__ import annotations

import copy
import dataclasses
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from vocos_speechbrain.export import export
from vocos_speechbrain.mel import DEFAULT, read_convention

from vocos_plugins import MelMismatch
from vocos_plugins.mel import ConventionError, MelMismatchWarning
from vocos_plugins.storage.safe_files import CheckpointError

pytestmark = pytest.mark.xdist_group("speechbrain")

# The same operations in the same order.
EXACT = {"rtol": 0, "atol": 0}
# Promised accuracy relative to full scale, for another process on the same machine.
ROUNDING = {"rtol": 0, "atol": 1e-5}
FILES = ("generator.ckpt", "hyperparams.yaml")
STOCK = """
import sys, torch
from speechbrain.inference.vocoders import HIFIGAN
mel = torch.load("mel.pt")
vocoder = HIFIGAN.from_hparams(source="moved")
linked = HIFIGAN.from_hparams(source="moved", savedir="links", run_opts={"device": "cpu"})
found = [vocoder.decode_batch(mel), linked(mel), vocoder.decode_spectrogram(mel[0])]
torch.save(found, "found.pt")
print("vocos_speechbrain.vocoder" in sys.modules)
"""
WITHOUT_SPEECHBRAIN = """
import sys
sys.modules["speechbrain"] = sys.modules["torchaudio"] = None
from pathlib import Path
from vocos_plugins import Vocos
from vocos_speechbrain.export import export
export(Vocos.from_pretrained("vocos-mel-22khz-small"), Path("vocos"))
print(*sorted(path.name for path in Path("vocos").iterdir()))
"""


@pytest.fixture(scope="module")
def load():
    """Returns SpeechBrain's loader."""
    from speechbrain.inference.vocoders import HIFIGAN

    return HIFIGAN.from_hparams


@pytest.fixture(scope="module")
def vocoder(load, exported):
    """Returns the small vocoder in a ``HIFIGAN``."""
    return load(source=str(exported))


def test_fresh_process(exported, tiny, mel, held_decode, in_fresh_process, tmp_path):
    """A moved directory loads offline, without the adapter's `vocoder` module, with and without a savedir."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(exported, folder / "moved")
    torch.save(mel.transpose(1, 2).contiguous().transpose(1, 2), folder / "mel.pt")
    assert in_fresh_process(STOCK).split() == ["False"]
    batch, linked, single = torch.load(folder / "found.pt")
    expected = held_decode(tiny, mel)
    torch.testing.assert_close(batch[:, 0], expected, **ROUNDING)
    torch.testing.assert_close(linked[:, 0], expected, **ROUNDING)
    torch.testing.assert_close(single, expected[:1], **ROUNDING)
    assert sorted(path.name for path in (folder / "links").iterdir()) == list(FILES)


def test_export_needs_no_speechbrain(in_fresh_process):
    """Neither SpeechBrain nor torchaudio is imported: the export works where they aren't installed."""
    assert in_fresh_process(WITHOUT_SPEECHBRAIN).split() == list(FILES)


def test_every_way_to_call_it(vocoder, tiny, mel, held_decode):
    """A batch, one mel with and without a batch dimension, and calling the object itself all decode."""
    expected = held_decode(tiny, mel)
    torch.testing.assert_close(vocoder.decode_batch(mel), expected[:, None], **EXACT)
    torch.testing.assert_close(vocoder(mel), expected[:, None], **EXACT)
    torch.testing.assert_close(vocoder.decode_batch(mel[0]), expected[:1], **ROUNDING)
    torch.testing.assert_close(vocoder.decode_spectrogram(mel[0]), expected[:1], **ROUNDING)


def test_masks(vocoder, mel):
    """Given lengths and hop, SpeechBrain silences exactly the samples past a row's end."""
    masked = vocoder.decode_batch(mel, torch.tensor([40, 25]), 256)
    assert masked.shape == (2, 1, 40 * 256)
    torch.testing.assert_close(masked[1, :, : 25 * 256], vocoder.decode_batch(mel)[1, :, : 25 * 256], **EXACT)
    torch.testing.assert_close(masked[0], vocoder.decode_batch(mel)[0], **EXACT)
    assert not masked[1, :, 25 * 256 :].any()


def test_a_hifigan_begins_late(mel):
    """Lengths and positions need tests: the stock generator's inference adds ten frames, five of them in front."""
    from speechbrain.lobes.models.HifiGAN import HifiganGenerator

    sizes = {"upsample_initial_channel": 8, "upsample_kernel_sizes": [32, 32], "upsample_factors": [16, 16]}
    hifigan = HifiganGenerator(80, 1, "1", [[1, 3, 5]], [3], inference_padding=5, **sizes)
    assert hifigan.inference(mel).shape[-1] == (40 + 10) * 256


def test_copies(vocoder, mel):
    """A deep copy decodes by itself."""
    copied = copy.deepcopy(vocoder)
    with torch.no_grad():
        for weight in copied.parameters():
            weight.zero_()
    assert not torch.equal(copied.decode_batch(mel), vocoder.decode_batch(mel))


def test_threads(vocoder, mel, noise):
    """Eight threads at once return the result of one."""
    mels = [2 * noise(1, 80, 20 + n, seed=n) - 5 for n in range(8)]
    expected = [vocoder.decode_batch(mel) for mel in mels]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for found, alone in zip(pool.map(vocoder.decode_batch, mels), expected, strict=True):
                torch.testing.assert_close(found, alone, **EXACT)


@pytest.mark.parametrize(
    "options",
    [{"device": "cpu"}, {"jit": True}, {"compile": True}, {"precision": "bf16"}, {"data_parallel_backend": True}],
    ids=lambda options: next(iter(options)),
)
def test_run_options(load, exported, vocoder, mel, options):
    """Run options that SpeechBrain's ``HIFIGAN`` ignores do no harm."""
    found = load(source=str(exported), run_opts=options).decode_batch(mel)
    torch.testing.assert_close(found, vocoder.decode_batch(mel), **EXACT)


def test_is_frozen(vocoder):
    """The generator is one of the modules, so SpeechBrain moves, freezes and switches it to inference."""
    assert not any(weight.requires_grad for weight in vocoder.parameters())
    assert not vocoder.hparams.generator.training


@pytest.mark.parametrize("broken", ["another model's", "cut off", "missing"])
def test_loading_is_strict(load, exported, make_tiny, tmp_path, broken):
    """Weights that don't fit raise; SpeechBrain's own loading would log it and decode with random ones."""
    directory = tmp_path / "broken"
    shutil.copytree(exported, directory)
    weights = directory / "generator.ckpt"
    if broken == "another model's":
        torch.save({"conv_pre.weight": torch.zeros(1)}, weights)
    elif broken == "cut off":
        weights.write_bytes(weights.read_bytes()[:1000])
    else:
        weights.unlink()
    with pytest.raises(CheckpointError, match=r"generator\.ckpt"):
        load(source=str(directory))


def test_says_what_it_is(exported, tiny, vocoder):
    """The file uses the recipes' names, so it can be read like a TTS model's; and it has the provenance."""
    assert read_convention(exported) == DEFAULT
    assert vocoder.hparams.sample_rate == 22050
    assert vocoder.hparams.hop_length == 256
    assert vocoder.hparams.provenance == tiny.provenance
    head = (exported / "hyperparams.yaml").read_text().split("\n\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert "HIFIGAN.from_hparams(source=" in head


@pytest.mark.parametrize("name", ["22050", "8e3", "off", "(my) mel (22 kHz)", "a: b # c", "!ref <x>", "münchen"])
def test_any_name_survives(load, make_tiny, mel, tmp_path, name):
    """HyperPyYAML reads any name of a convention back as text."""
    vocos = make_tiny()
    source = dataclasses.replace(DEFAULT, framing="same", name=name)
    export(vocos, tmp_path / "vocos", tts=source)
    loaded = load(source=str(tmp_path / "vocos")).hparams.generator
    assert loaded.source.name == name
    assert loaded.source == source


@pytest.mark.parametrize("given", ["directory", "file", "convention"])
def test_for_a_tts_model(load, tiny, mel, tmp_path, recipe_text, held_decode, given):
    """A TTS's mel is read from its hyperparameters or passed in; one that differs only in the log aligns silently."""
    vocos_mel = dataclasses.replace(DEFAULT, log=None)
    (tmp_path / "tts").mkdir()
    (tmp_path / "tts" / "hyperparams.yaml").write_text(recipe_text(dynamic_range_compression="False"))
    tts = {"directory": tmp_path / "tts", "file": tmp_path / "tts" / "hyperparams.yaml", "convention": vocos_mel}[given]
    export(tiny, tmp_path / "vocos", tts=tts)
    assert read_convention(tmp_path / "vocos") == vocos_mel
    found = load(source=str(tmp_path / "vocos")).decode_batch(mel.exp())
    torch.testing.assert_close(found[:, 0], held_decode(tiny, mel.clamp_min(-11.5)), rtol=0, atol=1e-4)


def test_a_mel_that_has_no_name_in_recipes(load, tiny, mel, tmp_path):
    """A mel that the recipes' names can't express is left out of them, and still decodes."""
    source = dataclasses.replace(DEFAULT, framing="same", log="log10")
    export(tiny, tmp_path / "vocos", tts=source)
    with pytest.raises(ConventionError, match="missing win_length"):
        read_convention(tmp_path / "vocos")
    vocoder = load(source=str(tmp_path / "vocos"))
    assert vocoder.hparams.n_mel_channels == 80
    torch.testing.assert_close(vocoder.decode_batch(mel)[:, 0], tiny.decode(mel, source=source), **EXACT)


def test_a_loss_warns_or_is_refused(tiny, tmp_path):
    """The export warns of lossy mels; under ``strict``, and for mels that can't be aligned, nothing is written."""
    source = dataclasses.replace(DEFAULT, mel_scale="htk", f_min=11.0)  # no other test's: a process warns once
    with pytest.warns(MelMismatchWarning, match="mean error"):
        export(tiny, tmp_path / "lossy", tts=source)
    assert read_convention(tmp_path / "lossy") == source
    with pytest.raises(MelMismatch, match="strict=True"):
        export(tiny, tmp_path / "strict", tts=source, strict=True)
    with pytest.raises(MelMismatch, match="has no information for"):
        export(tiny, tmp_path / "refused", tts=dataclasses.replace(DEFAULT, f_max=2000))
    assert [path.name for path in tmp_path.iterdir()] == ["lossy"]


def test_no_hyperparameters(tiny, tmp_path):
    """The error names a path that isn't SpeechBrain's, and a missing field."""
    with pytest.raises(ConventionError, match=r"nowhere is not a SpeechBrain hyperparameter file, nor a directory"):
        export(tiny, tmp_path / "vocos", tts=tmp_path / "nowhere")
    (tmp_path / "hyperparams.yaml").write_text("sample_rate: 22050\n")
    with pytest.raises(ConventionError, match="missing hop_length"):
        export(tiny, tmp_path / "vocos", tts=tmp_path)
    assert not (tmp_path / "vocos").exists()


def test_writes_over_its_own_alone(load, tiny, make_tiny, mel, tmp_path, recipe_text):
    """A second export replaces the first; files of a TTS model or a training run are kept."""
    export(make_tiny(seed=1), tmp_path)
    export(tiny, tmp_path)
    found = load(source=str(tmp_path)).decode_batch(mel)
    assert sorted(path.name for path in tmp_path.iterdir()) == list(FILES)
    for name, content in (("hyperparams.yaml", recipe_text()), ("generator.ckpt", "of an epoch")):
        other = tmp_path / name.split(".")[1]
        other.mkdir()
        (other / name).write_text(content)
        with pytest.raises(CheckpointError, match=rf"{name} belongs to another model or program and is kept"):
            export(tiny, other)
        assert [path.read_text() for path in other.iterdir()] == [content]
    torch.testing.assert_close(load(source=str(tmp_path)).decode_batch(mel), found, **EXACT)


def test_whole_or_not_at_all(tiny, make_tiny, tmp_path, monkeypatch):
    """A disk that fills up leaves the directory as it was."""
    export(tiny, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fill_up(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fill_up)
    with pytest.raises(CheckpointError, match="No space left on device"):
        export(make_tiny(seed=1), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
