"""The plugin's hook, as data. Importing this module imports no toolkit."""

from __future__ import annotations

from vocos_plugins.config import EncodecCodes
from vocos_plugins.plugins import LazyAdapter, hookimpl

ADAPTER = LazyAdapter(
    name="bark",
    toolkit_module="transformers",
    distribution="transformers",
    features=EncodecCodes(),
    vocoder="vocos_bark.vocoder",
    usage="put a Vocos into a loaded Bark, by `with vocos_bark.using(bark, vocos):` or vocos_bark.attach(bark, vocos)",
)


@hookimpl
def vocos_toolkit_adapter() -> LazyAdapter:
    """Returns the adapter that decodes Bark's codes with Vocos; Bark has no mel."""
    return ADAPTER
