"""What a run leaves goes straight into inference, in SpeechBrain and in the two other toolkits."""

from __future__ import annotations

import pytest
import soundfile
import torch

from vocos_plugins import MelSpectrogram, Vocos

pytestmark = pytest.mark.xdist_group("speechbrain")

# Of full scale: the two decode pieces of other shapes.
ROUNDING = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module")
def mel(trained, data_folder):
    """Of a recording."""
    samples, _ = soundfile.read(data_folder / "wavs" / "LJ000.wav", dtype="float32")
    return MelSpectrogram(Vocos.from_pretrained(trained / "model").mel)(torch.from_numpy(samples)[None])


def test_speechbrain_loads_what_the_run_wrote(trained, mel):
    """The stock class and ours, from the run's `speechbrain` folder, decode as the model does."""
    from speechbrain.inference.vocoders import HIFIGAN
    from vocos_speechbrain.vocoder import VOCOS

    vocos = Vocos.from_pretrained(trained / "model")
    expected = vocos.decode(torch.cat([mel, mel[..., -1:]], dim=-1))
    for kind in (HIFIGAN, VOCOS):
        vocoder = kind.from_hparams(source=str(trained / "speechbrain"), run_opts={"device": "cpu"})
        torch.testing.assert_close(vocoder.decode_batch(mel)[:, 0], expected, **ROUNDING)


def test_the_best_checkpoint_is_what_was_written(trained, recipe):
    """`model` holds the average of the checkpoint with the least mel distance."""
    from speechbrain.utils.checkpoints import Checkpointer

    best = Checkpointer(trained / "save").find_checkpoint(min_key="mel_distance")
    stored = torch.load(best.path / "average.ckpt", weights_only=True)
    for name, value in Vocos.from_pretrained(trained / "model").state_dict().items():
        torch.testing.assert_close(stored[f"vocos.{name}"], value, rtol=0, atol=0)


def test_the_other_toolkits_load_what_the_run_wrote(trained, data_folder, assert_same_elsewhere):
    """After `vocos export`, their own classes make the same audio of their own mels."""
    assert_same_elsewhere(trained / "model", data_folder / "wavs" / "LJ000.wav", ("nemo", "coqui"))


def test_tensorboard_has_sound_pictures_and_measures(trained):
    """Of the validation's clips, at the generator's steps."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(trained / "tensorboard"), size_guidance={"scalars": 0})
    board.Reload()
    tags = board.Tags()
    assert {"valid/mel_distance", "valid/stoi", "train/generator/mel", "learning_rate"} <= set(tags["scalars"])
    assert [event.step for event in board.Scalars("valid/mel_distance")] == list(range(4, 25, 4))
    assert any(tag.endswith("/vocos") for tag in tags["images"])
    assert any(tag.endswith("/recording") for tag in tags["audio"])
