"""SpeechBrain's own HiFi-GAN script trains Vocos by YAML alone; these tests repeat its steps, as it isn't packaged."""

from __future__ import annotations

import pytest
import torch

pytestmark = pytest.mark.xdist_group("speechbrain")


class SmallDiscriminator(torch.nn.Module):
    """Stand-in for HiFi-GAN's discriminators with 70 million parameters; returns lists of scores and features."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv1d(1, 4, 15, 4, 7)
        self.post = torch.nn.Conv1d(4, 1, 3, padding=1)

    def forward(self, audio):
        hidden = self.conv(audio)
        score = self.post(hidden)
        return [score.flatten(1)], [[hidden, score]]


@pytest.fixture(scope="module")
def hparams(recipe, tmp_path_factory):
    """Loads the file like the script."""
    from hyperpyyaml import load_hyperpyyaml

    folder = tmp_path_factory.mktemp("script")
    overrides = f"data_folder: {folder}\noutput_folder: {folder}"
    with (recipe / "hparams" / "hifigan_script.yaml").open() as file:
        return load_hyperpyyaml(file, overrides)


def test_the_script_s_names_are_there(hparams):
    """The file has all names that recipes/LJSpeech/TTS/vocoder/hifigan/train.py of 1.0 to 1.1 reads."""
    read = {"data_folder", "save_folder", "splits", "split_ratio", "seed", "skip_prep", "segment_size", "train_json"}
    read |= {"valid_json", "test_json", "modules", "opt_class_generator", "opt_class_discriminator", "checkpointer"}
    read |= {"sch_class_generator", "sch_class_discriminator", "use_tensorboard", "output_folder", "sample_rate"}
    read |= {"train_dataloader_opts", "valid_dataloader_opts", "test_dataloader_opts", "epoch_counter", "train_logger"}
    read |= {"generator", "generator_loss", "discriminator_loss", "keep_checkpoint_interval", "progress_sample_path"}
    assert read | {"mel_spectogram", "mel_spectrogram"} <= set(hparams)


def test_the_mel_is_speechbrain_s(hparams):
    """It equals that of SpeechBrain's own function, under either name, on ``(N,)`` and ``(1, N)`` as in the script."""
    from speechbrain.lobes.models import HifiGAN

    name = "mel_spectrogram" if hasattr(HifiGAN, "mel_spectrogram") else "mel_spectogram"
    audio = 0.3 * torch.randn(8192, generator=torch.Generator().manual_seed(0))
    expected = getattr(HifiGAN, name)(22050, 256, 1024, 1024, 80, 0.0, 8000, 1, False, "slaney", "slaney", True, audio)
    torch.testing.assert_close(hparams["mel_spectogram"](audio=audio), expected)
    torch.testing.assert_close(hparams["mel_spectrogram"](audio=audio[None])[0], expected)
    torch.testing.assert_close(hparams["mel_spectrogram"](audio=audio[None, None])[0, 0], expected)


def test_a_step_of_the_script(hparams):
    """As in its fit_batch, both losses are finite, and the generator gets gradients."""
    from speechbrain import Stage

    time = torch.arange(8192) / 22050
    y = (0.3 * torch.sin(2 * torch.pi * 220 * time) + 0.01 * torch.randn(8192))[None, None]
    x = hparams["mel_spectogram"](audio=y[0, 0])[None]
    generator, discriminator = hparams["generator"].train(), SmallDiscriminator()
    optimizer = hparams["opt_class_generator"](generator.parameters())
    hparams["sch_class_generator"](optimizer)
    y_hat = generator(x)[:, :, : y.size(2)]
    assert y_hat.shape == y.shape
    fake, real = discriminator(y_hat), discriminator(y)
    loss = hparams["generator_loss"](Stage.TRAIN, y_hat, y, fake[0], fake[1], real[1])["G_loss"]
    assert torch.isfinite(hparams["discriminator_loss"](fake[0], real[0])["D_loss"])
    loss.backward()
    assert all(parameter.grad is not None for parameter in generator.parameters())
    optimizer.step()
