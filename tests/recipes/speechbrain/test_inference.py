"""The output of a run works for inference, in SpeechBrain and in the two other toolkits."""

from __future__ import annotations

import pytest
import soundfile
import torch

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.inference.certificate import read_certificate

pytestmark = pytest.mark.xdist_group("speechbrain")

# Relative to full scale: the two decode inputs of different shapes.
ROUNDING = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module")
def mel(trained, data_folder):
    """The mel of a recording."""
    samples, _ = soundfile.read(data_folder / "wavs" / "LJ000.wav", dtype="float32")
    return MelSpectrogram(Vocos.from_pretrained(trained / "model").mel)(torch.from_numpy(samples)[None])


def test_speechbrain_loads_the_run_s_output(trained, mel):
    """SpeechBrain's class and the adapter's decode like the model, from the run's `speechbrain` folder."""
    from speechbrain.inference.vocoders import HIFIGAN
    from vocos_speechbrain.vocoder import VOCOS

    vocos = Vocos.from_pretrained(trained / "model")
    expected = vocos.decode(torch.cat([mel, mel[..., -1:]], dim=-1))
    for kind in (HIFIGAN, VOCOS):
        vocoder = kind.from_hparams(source=str(trained / "speechbrain"), run_opts={"device": "cpu"})
        torch.testing.assert_close(vocoder.decode_batch(mel)[:, 0], expected, **ROUNDING)


def test_the_best_checkpoint_is_written(trained, recipe):
    """`model` has the average of the checkpoint with the lowest mel distance."""
    from speechbrain.utils.checkpoints import Checkpointer

    best = Checkpointer(trained / "save").find_checkpoint(min_key="mel_distance")
    stored = torch.load(best.path / "average.ckpt", weights_only=True)
    for name, value in Vocos.from_pretrained(trained / "model").state_dict().items():
        torch.testing.assert_close(stored[f"vocos.{name}"], value, rtol=0, atol=0)


def test_both_models_are_certified(trained):
    """At the end, on the validation recordings: too few here, which the certificate says."""
    from vocos_speechbrain.vocoder import VOCOS

    vocos = Vocos.from_pretrained(trained / "model")
    certificate = read_certificate(vocos)
    assert certificate.recordings >= 1
    assert VOCOS.from_hparams(source=str(trained / "speechbrain")).mods.generator.vocos.provenance == vocos.provenance


def test_the_other_toolkits_load_the_run_s_output(trained, data_folder, assert_same_elsewhere):
    """After `vocos export`, their own classes decode their own mels to the same audio."""
    assert_same_elsewhere(trained / "model", data_folder / "wavs" / "LJ000.wav", ("nemo", "coqui"))


def test_tensorboard_has_sound_pictures_and_measures(trained):
    """They are logged for the validation clips, by generator step."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(trained / "tensorboard"), size_guidance={"scalars": 0})
    board.Reload()
    tags = board.Tags()
    assert {"valid/mel_distance", "valid/stoi", "train/generator/mel", "learning_rate"} <= set(tags["scalars"])
    assert [event.step for event in board.Scalars("valid/mel_distance")] == list(range(4, 25, 4))
    assert any(tag.endswith("/vocos") for tag in tags["images"])
    assert any(tag.endswith("/recording") for tag in tags["audio"])
