"""Single steps of the trainer, what they refuse, and checkpoints from which a run can start."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.mel import MelMismatchWarning
from vocos_plugins.storage.safe_files import CheckpointError
from vocos_plugins.training.discriminator_files import save_discriminators
from vocos_plugins.training.divergence import DivergenceError

pytestmark = pytest.mark.xdist_group("coqui")

N_FRAMES = 32
# Float32 rounding: the mean of two processes' gradients against one process's on both batches.
TOLERANCE = 1e-5


@pytest.fixture
def build(make_config):
    """Builds a model and its criteria from a configuration with some fields changed."""
    import vocos_coqui  # noqa: F401
    from TTS.config import load_config
    from TTS.vocoder.models import setup_model

    def make(seed=0, **fields):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = setup_model(load_config(make_config(**fields)))
            return model, model.get_criterion()

    return make


@pytest.fixture
def batch():
    """Mels and waveforms of two segments."""
    return make_batch()


def make_batch():
    """Makes the same batch each time."""
    generator = torch.Generator().manual_seed(0)
    mel = torch.randn(2, 80, N_FRAMES, generator=generator) - 4
    return {"input": mel, "waveform": 0.1 * torch.randn(2, 1, N_FRAMES * 256, generator=generator)}


def touched(part):
    """Returns whether a part's parameters have gradients: all or none."""
    found = {parameter.grad is not None for parameter in part.parameters()}
    assert len(found) == 1
    return found.pop()


def test_each_step_is_its_network_s(build, batch):
    """No gradient flows into the other network, and both see the same audio."""
    model, criterion = build()
    model.train_disc = True
    outputs, losses = model.train_step(batch, criterion[0], 0)
    losses["loss"].backward()
    assert outputs == {}
    assert (touched(model.model_d), touched(model.model_g)) == (True, False)
    model.zero_grad(set_to_none=True)
    outputs, losses = model.train_step(batch, criterion[1], 1)
    losses["loss"].backward()
    assert outputs["model_outputs"].shape == (2, 1, (N_FRAMES - 1) * 256)
    assert (touched(model.model_d), touched(model.model_g)) == (False, True)
    assert {"G_mel", "G_period", "G_resolution_matching", "G_total"} <= set(losses)


def test_the_hinge_loss_counts(build, batch):
    """The loss is the weighted sum of all logged terms; Coqui TTS's GAN reads the hinge's weight by a misspelt name."""
    model, criterion = build()
    model.train_disc = True
    model.train_step(batch, criterion[0], 0)
    _, losses = model.train_step(batch, criterion[1], 1)
    found = {name: float(value.detach()) for name, value in losses.items()}
    period, resolution = (found[f"G_{part}"] + found[f"G_{part}_matching"] for part in ("period", "resolution"))
    assert found["G_period"] > 0
    assert found["loss"] == pytest.approx(45 * found["G_mel"] + period + 0.1 * resolution, rel=TOLERANCE)


def test_generator_alone_at_first(build, batch):
    """Before they join, the discriminators neither learn nor affect the loss."""
    model, criterion = build()
    assert model.train_step(batch, criterion[0], 0) == ({}, {})
    _, losses = model.train_step(batch, criterion[1], 1)
    assert set(losses) == {"loss", "G_mel", "G_total"}


def test_generator_before_discriminators_is_refused(build, batch):
    """There is no generated audio yet."""
    model, criterion = build()
    with pytest.raises(ValueError, match="optimizer_idx 0, then 1"):
        model.train_step(batch, criterion[1], 1)


def test_a_diverged_training_ends(build, batch):
    """By losses, gradients and weights: Coqui TTS's trainer would go on, and save."""
    model, criterion = build()
    model.train_step(batch, criterion[0], 0)
    model.train_step(batch, criterion[1], 1)[1]["loss"].backward()
    model.before_gradient_clipping()
    weight = model.model_g.head.out.bias
    weight.grad[3] = torch.inf
    with pytest.raises(DivergenceError, match=r"at step 1: the gradient of head\.out\.bias holds NaN"):
        model.before_gradient_clipping()
    weight.data[3] = torch.nan
    model.train_step(batch, criterion[0], 0)
    with pytest.raises(DivergenceError, match="at step 1: loss is nan, G_mel is nan, G_total is nan"):
        model.train_step(batch, criterion[1], 1)
    with pytest.raises(DivergenceError, match=r"at step 1: model_g\.head\.out\.bias holds NaN"):
        model.on_train_step_end(SimpleNamespace(total_steps_done=1))


def test_evaluation_between_steps(build, batch):
    """An evaluation doesn't affect the steps around it, unlike in Coqui TTS's own GAN."""
    model, criterion = build()
    assert model.eval_step(batch, criterion[0], 0) == ({}, {})
    outputs, losses = model.eval_step(batch, criterion[1], 1)
    assert {"loss", "G_mel", "measure_mr-stft"} <= set(losses)
    assert outputs["model_outputs"].shape == (2, 1, (N_FRAMES - 1) * 256)
    assert not model.train_disc


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seq_len": 8000}, "seq_len must be a multiple of hop_length 256, got 8000"),
        ({"seq_len": 256}, "seq_len is too small: it leaves 0 samples, and the discriminators need 129"),
        ({"conv_pad": 2}, "conv_pad must be 0, got 2"),
        ({"losses": {"pretrain_steps": 5}}, "steps_to_start_discriminator"),
        ({"losses": {"mell": 5}}, "losses: unknown key 'mell'; did you mean 'mel'"),
        ({"discriminators": {"periods": []}}, "periods must not be empty"),
        ({"audio": {"mel_fmax": 8000, "sample_rate": 16000}}, "sample rate and hop of the audio block, 16000 and 256"),
    ],
)
def test_invalid_configurations_are_refused(build, fields, message):
    """They are refused by name, before the first step."""
    # For a mel of another sample rate, a warning of the lossy conversion comes first.
    warned = pytest.warns(MelMismatchWarning) if "audio" in fields else contextlib.nullcontext()
    with warned, pytest.raises(ConfigError, match=message):
        build(**fields)


def test_too_few_clips_are_refused(build):
    """Otherwise Coqui TTS's loader would fail at ``items[0]``."""
    model, _ = build()
    with pytest.raises(ConfigError, match=r"no clips for evaluation: .*wavs holds too few, see eval_split_size"):
        model.get_data_loader(model.config, is_eval=True, samples=[], verbose=False)


@pytest.mark.parametrize("kind", ["whole GAN", "generator", "bare", "our directory", "exported directory"])
def test_a_run_can_start_from_each_checkpoint(kind, build, tmp_path):
    """The generator of each kind of checkpoint is loaded, and its discriminators if it has any."""
    from vocos_coqui.export import export
    from vocos_coqui.restoring import restore

    donor, criterion = build(seed=1)
    source = tmp_path / "donor.pth"
    if kind == "whole GAN":
        torch.save({"model": donor.state_dict(), "step": 0, "epoch": 0}, source)
    elif kind == "generator":  # converted: without the step and epoch that the trainer itself requires
        torch.save({"model": {f"model_g.{key}": value for key, value in donor.model_g.state_dict().items()}}, source)
    elif kind == "bare":
        torch.save(donor.model_g.state_dict(), source)
    elif kind == "our directory":
        source = tmp_path / "ours"
        donor.model_g.save_pretrained(source)
        save_discriminators(criterion[0].objective, source)
    else:
        source = tmp_path / "exported"
        export(donor.model_g, source)
    model, criterion = build()
    notes = restore(model.model_g, criterion[0].objective, str(source))
    own = kind in ("whole GAN", "our directory")
    assert (notes == []) is own
    for part in ("model_g", "model_d") if own else ("model_g",):
        expected, found = (getattr(each, part).state_dict() for each in (donor, model))
        assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_average_follows_the_generator(build, tmp_path):
    """The average starts at the initial weights and has the other recipes' decay; it is evaluated and loaded."""
    from vocos_coqui.checkpoint import read_generator

    donor, _ = build(seed=1)
    donor.model_g.save_pretrained(tmp_path / "donor")
    model, criterion = build(ema_decay=0.75)
    arguments = SimpleNamespace(restore_path=str(tmp_path / "donor"))
    trainer = SimpleNamespace(args=arguments, continue_run=False, criterion=criterion, total_steps_done=1000)
    model.on_init_start(trainer)
    start = model.model_average.head.out.weight.clone()
    assert torch.equal(start, donor.model_g.head.out.weight)
    with torch.no_grad():
        model.model_g.head.out.weight.add_(1)
    model.on_train_step_end(trainer)
    assert (model.model_average.head.out.weight - start - 0.25).abs().max() < TOLERANCE
    torch.save({"model": model.state_dict()}, tmp_path / "checkpoint.pth")
    weights = read_generator(str(tmp_path / "checkpoint.pth"))
    assert torch.equal(weights["head.out.weight"], model.model_average.head.out.weight)


def test_evaluation_is_of_the_average(build, batch):
    """A generator with spoilt weights doesn't affect the evaluation."""
    model, criterion = build()
    before = model.eval_step(batch, criterion[1], 1)[1]["G_mel"]
    with torch.no_grad():
        model.model_g.head.out.weight.zero_()
    assert model.eval_step(batch, criterion[1], 1)[1]["G_mel"] == before


def test_other_bands_are_read_by_the_input_layer(build, make_config, tmp_path):
    """Other layers are kept, and a note says so; for a file that doesn't name its mel, the layer stays random."""
    from vocos_coqui.restoring import restore

    donor, _ = build(seed=1)
    donor.model_g.save_pretrained(tmp_path)
    args = json.loads(make_config().read_text())["model_args"]
    features = {**args["features"], "n_mels": 100}
    audio = {"mel_fmax": 8000, "log_func": "np.log", "spec_gain": 1, "signal_norm": False, "num_mels": 100}
    model, criterion = build(model_args={**args, "features": features}, audio=audio)
    notes = restore(model.model_g, criterion[0].objective, str(tmp_path))
    assert "its input layer was remapped to this mel, with a mean error of 0.0" in notes[0]
    assert torch.equal(model.model_g.head.out.weight, donor.model_g.head.out.weight)
    torch.save(donor.model_g.state_dict(), tmp_path / "donor.pth")
    notes = restore(model.model_g, criterion[0].objective, str(tmp_path / "donor.pth"))
    assert "generator: backbone.embed.weight did not fit" in notes[0]
    model, criterion = build(model_args={**args, "backbone": {**args["backbone"], "dim": 16, "intermediate_dim": 32}})
    with pytest.raises(CheckpointError, match="another architecture: none of its blocks fits"):
        restore(model.model_g, criterion[0].objective, str(tmp_path))


@pytest.fixture(scope="module")
def two_processes(make_config, start_process, finish_process, tmp_path_factory):
    """Output of ``two_processes.py`` in each of two processes that share a batch.

    The processes are new ones: those forked from this one would have its threads' locks without the threads.
    """
    folder = tmp_path_factory.mktemp("processes")
    (folder / "vocos.json").write_text(make_config().read_text())
    torch.save(make_batch(), folder / "batch.pt")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    finish_process(start_process(*launcher, Path(__file__).with_name("two_processes.py"), folder))
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("ours", [True, False])
def test_processes_share_gradients(ours, two_processes, build, batch):
    """Two processes with half a batch each step like one with all of it; Coqui's trainer alone doesn't average."""
    model, criterion = build()
    model.train_step(batch, criterion[0], 0)
    model.train_step(batch, criterion[1], 1)[1]["loss"].backward()
    expected = [parameter.grad for parameter in model.model_g.parameters()]
    first, second = (found["shared" if ours else "own"] for found in two_processes)
    scale = TOLERANCE * max(float(gradient.abs().max()) for gradient in expected)
    as_one = [float((mine - whole).abs().max()) < scale for mine, whole in zip(first, expected, strict=True)]
    alike = [torch.equal(mine, theirs) for mine, theirs in zip(first, second, strict=True)]
    assert (all(as_one), all(alike)) == (ours, ours)


def test_processes_leave_together(two_processes):
    """A process that ended alone would leave the others waiting for its gradients."""
    assert [found["left"] for found in two_processes] == [True, True]


def test_measures_that_are_not_installed(build, monkeypatch, caplog):
    """They are skipped and named; an unknown measure is refused."""
    from vocos_plugins.evaluation import measures

    monkeypatch.setattr(
        measures, "_why_unavailable", lambda measure: "no such package" if measure.name == "pesq" else None
    )
    with caplog.at_level("WARNING", logger="trainer"):
        build(eval_measures=["pesq", "mr-stft"])
    assert "pesq is left out: no such package" in caplog.text
    with pytest.raises(ValueError, match="pesk"):
        build(eval_measures=["pesk"])
