"""The plugin's hooks. Importing this module doesn't import toytalk."""

from vocos_plugins.mel import MelConvention
from vocos_plugins.plugins import LazyAdapter, hookimpl

TOYTALK = MelConvention(
    name="toytalk-22khz",
    sample_rate=22050,
    n_fft=1024,
    win_length=1024,
    hop_length=256,
    n_mels=80,
    f_max=8000.0,
    mel_scale="slaney",
    mel_norm="slaney",
    log="log10",
    log_gain=20.0,  # decibels
    guard_value=1e-5,
)


@hookimpl
def vocos_mel_conventions():
    """Returns toytalk's only mel convention."""
    return [TOYTALK]


@hookimpl
def vocos_toolkit_adapter():
    """Returns the adapter that makes Vocos a vocoder of toytalk."""
    return LazyAdapter(
        name="toy",
        toolkit_module="toytalk",
        distribution="vocos-toy",
        features=TOYTALK,
        vocoder="vocos_toy.vocoder",
    )
