"""The plugin's hooks, as data. Importing this module imports no toolkit."""

from __future__ import annotations

from collections.abc import Iterable

from vocos_plugins.mel import MelConvention
from vocos_plugins.plugins import LazyAdapter, hookimpl

from .exported import read_export
from .mel import CONVENTIONS, DEFAULT, read_convention

ADAPTER = LazyAdapter(
    name="nemo",
    toolkit_module="nemo",
    distribution="nemo_toolkit",
    features=DEFAULT,
    vocoder="vocos_nemo.vocoder",
    reader=read_convention,
    exporter="vocos_nemo.export",
    export_reader=read_export,
    usage="NeMo restores a file of `vocos export nemo` in each program that runs `import vocos_nemo.vocoder` first; "
    "start a script that you can't edit by `python -m vocos_nemo.run SCRIPT`",
)


@hookimpl
def vocos_mel_conventions() -> Iterable[MelConvention]:
    """Returns the mel conventions of NeMo's models and recipes."""
    return CONVENTIONS


@hookimpl
def vocos_toolkit_adapter() -> LazyAdapter:
    """Returns the adapter that makes Vocos a NeMo vocoder."""
    return ADAPTER
