"""Training by the documented commands in new processes: stop, resume, inference."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import torch

from vocos_plugins import Vocos
from vocos_plugins.inference.certificate import fingerprint, read_certificate
from vocos_plugins.inference.frames import decode_frames
from vocos_plugins.mel import MelSpectrogram

pytestmark = pytest.mark.xdist_group("nemo")

STEPS = 60
# Float32 in two orders of operations.
ROUNDING = 1e-5


def scalars(folder: Path, name: str) -> dict[int, float]:
    """Returns a scalar of TensorBoard by step, over all runs in a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for file in sorted(folder.rglob("events.out.tfevents.*")):
        events = EventAccumulator(str(file)).Reload()
        if name in events.Tags()["scalars"]:
            found |= {event.step: event.value for event in events.Scalars(name)}
    return found


def tags(folder: Path, kind: str) -> set[str]:
    """Returns the names of a kind of data in TensorBoard."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    files = folder.rglob("events.out.tfevents.*")
    return {tag for file in files for tag in EventAccumulator(str(file)).Reload().Tags()[kind]}


def last_checkpoint(folder: Path) -> Path:
    """Returns the checkpoint to resume from."""
    (found,) = folder.rglob("*-last.ckpt")
    return found


def read_checkpoint(path: Path) -> dict:
    """Loads a checkpoint, which must be written by this test."""
    return torch.load(path, weights_only=False)


@pytest.fixture(scope="module")
def stopped_and_resumed(
    start_recipe, finish_process, run_recipe, training_arguments, tmp_path_factory
) -> tuple[Path, int]:
    """A run that got SIGTERM after its first epoch and was resumed by the same command; and the step it stopped at."""
    out = tmp_path_factory.mktemp("run")
    arguments = training_arguments(
        out, f"trainer.max_steps={STEPS}", "trainer.check_val_every_n_epoch=5", "model.measures=[mcd]"
    )
    process = start_recipe("train.py", *arguments)
    deadline = time.monotonic() + 200
    while not list(out.rglob("*-last.ckpt")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    finish_process(process)
    step = read_checkpoint(last_checkpoint(out))["global_step"]
    run_recipe("train.py", *arguments)
    return out / "Vocos", step


def test_sigterm_leaves_a_state_to_resume_from(stopped_and_resumed) -> None:
    """It stopped early, the same command continued to the end, and no step is missing from the log."""
    folder, step = stopped_and_resumed
    assert 0 < step < STEPS
    checkpoint = read_checkpoint(last_checkpoint(folder))
    assert checkpoint["global_step"] == STEPS
    assert sorted(scalars(folder, "train/generator/total")) == list(range(STEPS))


def test_loss_falls_across_the_stop(stopped_and_resumed) -> None:
    """The mel distance falls over the run, and the stop doesn't set it back."""
    folder, step = stopped_and_resumed
    curve = scalars(folder, "train/generator/mel")
    mean = lambda steps: sum(curve[each] for each in steps) / len(steps)  # noqa: E731
    assert mean(range(STEPS - 5, STEPS)) < 0.85 * mean(range(5))
    before, after = mean(range(max(step - 4, 0), step)), mean(range(step, min(step + 4, STEPS)))
    assert after - before < 0.5 * (mean(range(3)) - mean(range(STEPS - 5, STEPS)))


def test_learning_rate_counts_generator_steps(stopped_and_resumed) -> None:
    """Two networks take steps, but trainer.max_steps and the schedule count the generator's: the rate ends at zero."""
    from vocos_plugins.training.schedule import Optimization

    folder, _ = stopped_and_resumed
    rates = scalars(folder, "train/learning_rate")
    expected = Optimization(learning_rate=2e-3)
    assert rates == pytest.approx({step: expected.rate_at(step, STEPS) for step in range(STEPS)}, abs=1e-9)


def test_sound_and_pictures_are_logged(stopped_and_resumed) -> None:
    """TensorBoard has the original and the copy of the first validation clips, and the measures."""
    folder, _ = stopped_and_resumed
    assert {"0/original", "0/copy"} <= tags(folder, "audio")
    assert {"val_loss", "val_mcd"} <= tags(folder, "scalars")
    assert {"0/original", "0/copy"} <= tags(folder, "images")


def test_best_checkpoint_is_released(stopped_and_resumed) -> None:
    """The ``.nemo`` file has only the averaged generator of the lowest val_loss, without discriminators."""
    from vocos_nemo.vocoder import VocosModel

    folder, _ = stopped_and_resumed
    losses = {path: float(path.name.split("val_loss=")[1].split("-")[0]) for path in folder.rglob("*val_loss=*.ckpt")}
    best = min((path for path in losses if "-last" not in path.name), key=losses.__getitem__)
    state = read_checkpoint(best)["state_dict"]
    model = VocosModel.restore_from(str(folder / "checkpoints" / "Vocos.nemo"))
    released = model.generator.state_dict()
    assert all(torch.equal(value, state[f"average.{key}"]) for key, value in released.items())
    assert any(not torch.equal(value, state[f"generator.{key}"]) for key, value in released.items())
    assert not [key for key in model.state_dict() if key.startswith(("objective.", "average.", "front_end."))]
    loaded = VocosModel.load_from_checkpoint(str(best))
    assert all(torch.equal(value, released[key]) for key, value in loaded.generator.state_dict().items())


def test_the_release_is_certified(stopped_and_resumed) -> None:
    """The ``.nemo`` file and the folder carry the certificate of their weights."""
    from vocos_nemo.vocoder import VocosModel

    folder, _ = stopped_and_resumed
    released = VocosModel.restore_from(str(folder / "checkpoints" / "Vocos.nemo")).vocos
    for vocos in (released, Vocos.from_pretrained(folder / "checkpoints" / "Vocos", precision="float32")):
        certificate = read_certificate(vocos)
        assert certificate is not None
        assert certificate.recordings == 8
        assert certificate.fingerprint == fingerprint(vocos)
        assert 0 < vocos.provenance["steps"] <= STEPS  # those of the best checkpoint


def test_result_goes_into_inference(stopped_and_resumed, manifest) -> None:
    """As a vocoder of NeMo and by `Vocos.from_pretrained` it decodes to the same audio."""
    from vocos_nemo.clips import read_audio
    from vocos_nemo.vocoder import VocosModel

    checkpoints = stopped_and_resumed[0] / "checkpoints"
    vocos = Vocos.from_pretrained(checkpoints / "Vocos")
    assert vocos.provenance["steps"] > 0
    assert vocos.mel.name == "nemo-fastpitch-22khz"
    mel = MelSpectrogram(vocos.mel)(read_audio(manifest.parent / "0.wav", 22050)[None])
    expected = decode_frames(vocos, mel)
    model = VocosModel.restore_from(str(checkpoints / "Vocos.nemo"))
    assert model.vocos.provenance == vocos.provenance
    assert (model.convert_spectrogram_to_audio(spec=mel) - expected).abs().max() <= ROUNDING


def test_result_goes_to_the_other_toolkits(stopped_and_resumed, manifest, assert_same_elsewhere) -> None:
    """`vocos export` accepts the folder, and the toolkits' own classes decode their own mels to the same audio."""
    folder = stopped_and_resumed[0] / "checkpoints" / "Vocos"
    assert_same_elsewhere(folder, manifest.parent / "0.wav", ("speechbrain", "coqui"))
