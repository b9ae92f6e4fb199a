"""The installation: versions, torch with torchaudio, toolkits with what they need beside them, plugins."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from ..plugins import PluginState, PluginWarning, plugin_states, problems
from .torchaudio import mend, probe_torchaudio

State = Literal["ok", "missing", "off", "broken"]

# Modules that a toolkit imports and doesn't bring, by its name for pip.
BESIDE = {"coqui-tts": ("torchaudio", "torchcodec", "six"), "speechbrain": ("torchaudio",)}
TORCHCODEC_SINCE = (2, 9)  # TTS/__init__.py: of torch
PYTHONS = ((3, 10), (3, 13))


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        group: ``core``, ``toolkit`` or ``plugin``.
        name: what it is.
        version: None if it isn't there.
        state: ``ok``; ``missing``, which is no fault; ``off``, a plugin that is switched off; ``broken``.
        detail: what there is to know of it.
        mend: what to do, a command where one does it.
    """

    group: Literal["core", "toolkit", "plugin"]
    name: str
    version: str | None
    state: State
    detail: str = ""
    mend: str = ""


def check_installation() -> list[Check]:
    """Looks at everything; imports torchaudio in a process of its own, and no toolkit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)  # what it says is among the states and the problems
        states, contradictions = plugin_states(), problems()
    checks = [_python(), _ours(), _torch(), _torchaudio()]
    checks += [check for state in states if state.toolkit is not None for check in check_toolkit(state)]
    checks += [_plugin(state) for state in states]
    told = [state.reason for state in states if state.reason is not None]
    for problem in contradictions:
        if not any(reason in problem for reason in told):
            checks.append(Check(group="plugin", name="plugins", version=None, state="broken", detail=problem))
    return checks


def check_toolkit(state: PluginState) -> Iterator[Check]:
    """A plugin's toolkit and, if it is there, what it needs beside it."""
    name = state.toolkit or ""
    if state.install is not None:
        yield Check(group="toolkit", name=name, version=None, state="missing", mend=state.install)
        return
    yield Check(group="toolkit", name=name, version=state.toolkit_version or "unknown", state="ok")
    for module in BESIDE.get(name, ()):
        if module == "torchcodec" and version_tuple(torch.__version__) < TORCHCODEC_SINCE:
            continue
        if importlib.util.find_spec(module) is None:
            detail = f"{name} doesn't start without it"
            command = f"pip install {module}"
            yield Check(group="toolkit", name=module, version=None, state="broken", detail=detail, mend=command)
        elif module != "torchaudio":  # that has a line of its own
            yield Check(group="toolkit", name=module, version=_version(module), state="ok", detail=f"for {name}")
    if name == "nemo_toolkit":
        yield _lightning(name)


def version_tuple(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, without zeros at the end."""
    numbers = re.split(r"[^\d.]", version)[0].rstrip(".")
    return tuple(int(number) for number in re.sub(r"(\.0+)+$", "", numbers).split(".") if number)


def lightning_limit(toolkit: str) -> str | None:
    """The newest lightning that a toolkit's own metadata allows; None if they don't say."""
    try:
        requirements = importlib.metadata.requires(toolkit) or []
    except importlib.metadata.PackageNotFoundError:  # put on the path without pip
        return None
    limits = (re.match(r"lightning\b[^;]*<=\s*([\d.]+)", requirement) for requirement in requirements)
    return next((limit[1] for limit in limits if limit), None)


def _lightning(toolkit: str) -> Check:
    """NeMo takes no newer lightning than it says, and pip lets one in afterwards."""
    version, limit = _version("lightning"), lightning_limit(toolkit)
    detail = mending = ""
    if version is None:
        detail, mending = f"{toolkit} doesn't start without it", "pip install 'vocos-plugins[nemo]'"
    elif limit is not None and version_tuple(version) > version_tuple(limit):
        detail, mending = f"{toolkit} wants at most {limit}", f"pip install 'lightning<={limit}'"
    if detail:
        return Check(group="toolkit", name="lightning", version=version, state="broken", detail=detail, mend=mending)
    return Check(group="toolkit", name="lightning", version=version, state="ok", detail=f"for {toolkit}")


def _python() -> Check:
    lowest, highest = PYTHONS
    version = platform.python_version()
    if lowest <= sys.version_info[:2] <= highest:
        return Check(group="core", name="python", version=version, state="ok")
    wanted = f"{'.'.join(map(str, lowest))} to {'.'.join(map(str, highest))}"
    return Check(group="core", name="python", version=version, state="broken", detail=f"expected {wanted}")


def _ours() -> Check:
    from .. import __version__

    return Check(group="core", name="vocos-plugins", version=__version__, state="ok")


def _torch() -> Check:
    build = "for the CPU"
    if torch.version.cuda is not None:
        build = f"for CUDA {torch.version.cuda}"
    elif torch.version.hip is not None:
        build = f"for ROCm {torch.version.hip}"
    devices = f"{torch.cuda.device_count()} GPU" if torch.cuda.is_available() else "no GPU found"
    detail = build if build == "for the CPU" else f"{build}, {devices}"
    return Check(group="core", name="torch", version=torch.__version__, state="ok", detail=detail)


def _torchaudio() -> Check:
    probe = probe_torchaudio()
    if probe is None:
        detail = "only toolkits need it"
        return Check(group="core", name="torchaudio", version=None, state="missing", detail=detail)
    if probe.version is not None:
        return Check(group="core", name="torchaudio", version=probe.version, state="ok", detail="can be imported")
    detail = ": ".join(filter(None, (probe.cause, probe.error)))
    version = _version("torchaudio")
    return Check(group="core", name="torchaudio", version=version, state="broken", detail=detail, mend=mend(probe))


def _plugin(state: PluginState) -> Check:
    found: dict[str, State] = {"loaded": "ok", "disabled": "off", "broken": "broken"}
    mending = f"VOCOS_PLUGINS_DISABLE={state.name} leaves it out" if state.state == "broken" else ""
    return Check(
        group="plugin",
        name=state.name,
        version=_version(state.distribution),
        state=found[state.state],
        detail=state.reason or f"{state.entry_point} of {state.distribution}",
        mend=mending,
    )


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
