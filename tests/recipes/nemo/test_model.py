"""Training of `VocosModel` without a script: NeMo's own ways to start from a checkpoint, and refusals."""

from __future__ import annotations

import pytest
import torch

from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.mel import MelMismatchWarning
from vocos_plugins.training.divergence import DivergenceError

pytestmark = pytest.mark.xdist_group("nemo")

# Difference of log mels between two implementations of one filterbank.
FILTERBANK = 1e-4


@pytest.fixture
def make_config(manifest):
    """Makes a model's configuration for training, with some values changed."""
    from omegaconf import OmegaConf
    from vocos_nemo.mel import FASTPITCH
    from vocos_nemo.preprocessor_block import preprocessor_block

    dataset = {"manifest_filepath": str(manifest), "n_samples": 4096}
    loader = {"dataset": dataset, "dataloader_params": {"batch_size": 4}}

    def make(**changes):
        config = {
            "preprocessor": preprocessor_block(FASTPITCH),
            "generator": {
                "backbone": {"kind": "convnext", "dim": 16, "intermediate_dim": 32, "num_layers": 2},
                "head": {"kind": "istft", "n_fft": 1024, "hop_length": 256},
            },
            "train_ds": loader,
            "validation_ds": loader,
            "discriminators": {"periods": [2], "period_channels": [4], "n_ffts": [256], "resolution_channels": 4},
            "optimization": {"learning_rate": 1e-3},
        }
        return OmegaConf.create({**config, **changes})

    return make


@pytest.fixture
def make_trainer(tmp_path):
    """Makes a quiet Lightning Trainer for some steps."""
    import lightning.pytorch as pl

    def make(max_steps=2):
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        return pl.Trainer(
            accelerator="cpu", max_steps=max_steps, default_root_dir=tmp_path, num_sanity_val_steps=0, **quiet
        )

    return make


@pytest.fixture
def build():
    """The model's class."""
    from vocos_nemo.vocoder import VocosModel

    return VocosModel


def weights_equal(first, second) -> bool:
    """Returns whether two modules have equal weights."""
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_restored_model_can_be_trained_on(build, make_config, make_trainer, tmp_path) -> None:
    """NeMo's way (restore_from, setup_training_data, fit) starts from the restored weights."""
    first = build(cfg=make_config())
    first.save_to(str(tmp_path / "first.nemo"))
    trainer = make_trainer()
    model = build.restore_from(str(tmp_path / "first.nemo"), trainer=trainer)
    assert model.objective is None
    assert weights_equal(model.generator, first.average)
    model.setup_training_data(make_config().train_ds)
    model.setup_validation_data(make_config().validation_ds)
    assert weights_equal(model.average, first.average)
    trainer.fit(model)
    assert trainer.global_step == 2
    assert not weights_equal(model.generator, first.generator)


def test_a_diverged_training_ends(build, make_config, make_trainer, monkeypatch) -> None:
    """It names the step and the losses; the weights are those before that step."""
    trainer = make_trainer()
    model = build(cfg=make_config(), trainer=trainer)
    monkeypatch.setattr(type(model.objective.mel_loss), "forward", lambda _self, fake, *_: fake.sum() * torch.nan)
    with pytest.raises(DivergenceError, match=r"at step 1: generator/mel is nan, generator/total is nan\. "):
        trainer.fit(model)
    assert all(bool(weight.isfinite().all()) for weight in model.generator.parameters())


def test_lightning_checkpoint_is_a_start(build, make_config, make_trainer, tmp_path) -> None:
    """`init_from_ptl_ckpt` takes the whole state, including discriminators; torch.load alone refuses the file."""
    trainer = make_trainer()
    first = build(cfg=make_config(), trainer=trainer)
    trainer.fit(first)
    path = tmp_path / "first.ckpt"
    trainer.save_checkpoint(path)
    with pytest.raises(Exception, match="Weights only load failed"):
        torch.load(path)
    second = build(cfg=make_config())
    from omegaconf import OmegaConf

    second.maybe_init_from_pretrained_checkpoint(OmegaConf.create({"init_from_ptl_ckpt": str(path)}))
    for part in ("generator", "average", "objective"):
        assert weights_equal(getattr(first, part), getattr(second, part))


def test_nemo_file_is_a_start(build, make_config, tmp_path) -> None:
    """`init_from_nemo_model` also sets the average, which is validated and released."""
    from omegaconf import OmegaConf

    first, second = build(cfg=make_config()), build(cfg=make_config())
    first.save_to(str(tmp_path / "first.nemo"))
    second.maybe_init_from_pretrained_checkpoint(
        OmegaConf.create({"init_from_nemo_model": str(tmp_path / "first.nemo")})
    )
    assert weights_equal(first.generator, second.generator)
    assert weights_equal(first.generator, second.average)


def test_folder_is_a_start_with_its_discriminators(build, make_config, tmp_path) -> None:
    """`init_from_vocos` takes the folder that a training writes next to its ``.nemo`` file."""
    first, second = build(cfg=make_config()), build(cfg=make_config())
    first.save_to(str(tmp_path / "first.nemo"))
    second.maybe_init_from_pretrained_checkpoint({"init_from_vocos": str(tmp_path / "first")})
    for part in (second.generator, second.average):
        assert weights_equal(first.average, part)
    assert weights_equal(first.objective, second.objective)


def test_no_frame_is_masked(build, make_config) -> None:
    """Unlike NeMo's own preprocessor since 2.5, it doesn't set the last frame to 0, which is louder than speech."""
    model = build(cfg=make_config())
    audio = 0.1 * torch.randn(1, 4096, generator=torch.Generator().manual_seed(0))
    theirs, _ = model.audio_to_melspec_precessor(audio, torch.tensor([4096]))
    ours = model.front_end(audio)
    assert ours.shape == theirs.shape
    assert (theirs[..., -1] == 0).all()
    torch.testing.assert_close(ours[..., :-1], theirs[..., :-1], rtol=0, atol=FILTERBANK)
    assert ours[..., -1].max() < 0


def test_inference_needs_no_training(build, make_config) -> None:
    """Without train_ds there are no training parts, and the error of fitting says what to do."""
    model = build(cfg=make_config(train_ds=None, validation_ds=None))
    assert model.objective is None
    assert not [key for key in model.state_dict() if not key.startswith(("generator.", "audio_to_melspec_precessor."))]
    with pytest.raises(ConfigError, match="call setup_training_data"):
        model.validation_step({}, 0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"train_ds": {"dataset": {}, "dataloader_params": {}}}, "train_ds: .*manifest_filepath"),
        ({"losses": {"mell": 1}}, "losses: unknown key 'mell'; did you mean 'mel'"),
        ({"optimization": {"betas": [0.9]}}, "optimization: betas must be two numbers"),
        ({"discriminators": {"n_ffts": [8192]}}, r"n_samples is too small: it leaves 3840 samples, .* need 4097"),
        ({"measures": ["loudness"]}, "measures: unknown measure loudness; known are"),
    ],
)
def test_refusals(build, make_config, changes, expected) -> None:
    """The message names the invalid section."""
    with pytest.raises(ConfigError, match=expected):
        build(cfg=make_config(**changes))


def test_a_lossy_mel_is_not_trained_on(build, make_config) -> None:
    """A model of another sample rate would learn the errors of the conversion."""
    config = make_config()
    sizes = {"n_fft": 1024, "win_length": 1024, "hop_length": 256, "n_mels": 100}
    config.generator.features = {"kind": "mel", "sample_rate": 24000, **sizes}
    with pytest.warns(MelMismatchWarning, match="lossy|loss"), pytest.raises(ConfigError, match="needs an exact mel"):
        build(cfg=config)
