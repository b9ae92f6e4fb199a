"""Checks of the installation: versions, torch with torchaudio, toolkits and the packages that they need, plugins."""

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

from ...inference.fast.choice import choose_precision
from ...inference.fast.compiled import list_libraries
from ...inference.fast.onednn import has_bfloat16, has_int8, has_onednn
from ...inference.fast.remembered import find_fault
from ...network.backbone import ConvNeXtBlock
from ...plugins import PluginState, PluginWarning, plugin_states, problems
from .torchaudio import probe_torchaudio, suggest_fix

CheckState = Literal["ok", "missing", "off", "broken"]

# Modules that a toolkit imports but doesn't declare as dependencies, by its name for pip.
UNDECLARED = {"coqui-tts": ("torchaudio", "torchcodec", "six"), "speechbrain": ("torchaudio",)}
TORCHCODEC_SINCE = (2, 9)  # the torch version from which TTS/__init__.py needs it
PYTHONS = ((3, 10), (3, 13))
BUNDLED_BLOCK = (256, 768)  # width and hidden width of the bundled models' blocks


@dataclass(frozen=True, kw_only=True)
class Check:
    """The result of one check.

    Attributes:
        group: ``core``, ``toolkit`` or ``plugin``.
        name: the package or plugin that was checked.
        version: its version; None if it isn't installed.
        state: ``ok``; ``missing``, which is not an error; ``off``, a disabled plugin; ``broken``.
        detail: details, such as the reason why it is broken.
        fix: what to do, as a command if one is enough.
    """

    group: Literal["core", "toolkit", "plugin"]
    name: str
    version: str | None
    state: CheckState
    detail: str = ""
    fix: str = ""


def check_installation() -> list[Check]:
    """Runs all checks. Torchaudio is imported in a separate process, and toolkits aren't imported at all."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)  # its text is among the states and the problems
        states, contradictions = plugin_states(), problems()
    checks = [_python(), _ours(), _torch(), _kernels(), _torchaudio()]
    checks += [check for state in states if state.toolkit is not None for check in check_toolkit(state)]
    checks += [_plugin(state) for state in states]
    reported = [state.reason for state in states if state.reason is not None]
    for problem in contradictions:
        # A broken plugin is already among the checks.
        if not any(reason in problem for reason in reported):
            checks.append(Check(group="plugin", name="plugins", version=None, state="broken", detail=problem))
    return checks


def check_toolkit(state: PluginState) -> Iterator[Check]:
    """Checks a plugin's toolkit and, if it is installed, the packages that it needs without declaring them."""
    name = state.toolkit or ""
    if state.install is not None:
        yield Check(group="toolkit", name=name, version=None, state="missing", fix=state.install)
        return
    yield Check(group="toolkit", name=name, version=state.toolkit_version or "unknown", state="ok")
    for module in UNDECLARED.get(name, ()):
        if module == "torchcodec" and version_tuple(torch.__version__) < TORCHCODEC_SINCE:
            continue
        if importlib.util.find_spec(module) is None:
            detail = f"{name} doesn't start without it"
            command = f"pip install {module}"
            yield Check(group="toolkit", name=module, version=None, state="broken", detail=detail, fix=command)
        elif module != "torchaudio":  # which has its own check
            yield Check(group="toolkit", name=module, version=_version(module), state="ok", detail=f"for {name}")
    if name == "nemo_toolkit":
        yield _lightning(name)


def version_tuple(version: str) -> tuple[int, ...]:
    """Returns the leading numbers of a version, without trailing zeros."""
    # Up to the first other character, as in 2.9.0+cpu or 3.0.0rc1.
    numbers = re.split(r"[^\d.]", version)[0].rstrip(".")
    return tuple(int(number) for number in re.sub(r"(\.0+)+$", "", numbers).split(".") if number)


def lightning_limit(toolkit: str) -> str | None:
    """Returns the newest lightning that a toolkit's own metadata allows; None if it sets no limit."""
    try:
        requirements = importlib.metadata.requires(toolkit) or []
    except importlib.metadata.PackageNotFoundError:  # on the path, but not installed by pip
        return None
    # [^;]: a marker behind the semicolon may contain another version.
    limits = (re.match(r"lightning\b[^;]*<=\s*([\d.]+)", requirement) for requirement in requirements)
    return next((limit[1] for limit in limits if limit), None)


def _lightning(toolkit: str) -> Check:
    """Checks that lightning isn't newer than NeMo allows; pip can install a newer one afterwards."""
    version, limit = _version("lightning"), lightning_limit(toolkit)
    detail = fix = ""
    if version is None:
        detail, fix = f"{toolkit} doesn't start without it", "pip install 'vocos-plugins[nemo]'"
    elif limit is not None and version_tuple(version) > version_tuple(limit):
        detail, fix = f"{toolkit} allows at most {limit}", f"pip install 'lightning<={limit}'"
    if detail:
        return Check(group="toolkit", name="lightning", version=version, state="broken", detail=detail, fix=fix)
    return Check(group="toolkit", name="lightning", version=version, state="ok", detail=f"for {toolkit}")


def _python() -> Check:
    lowest, highest = PYTHONS
    version = platform.python_version()
    if lowest <= sys.version_info[:2] <= highest:
        return Check(group="core", name="python", version=version, state="ok")
    supported = f"{'.'.join(map(str, lowest))} to {'.'.join(map(str, highest))}"
    return Check(group="core", name="python", version=version, state="broken", detail=f"expected {supported}")


def _ours() -> Check:
    from ... import __version__

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


def _kernels() -> Check:
    """Says which precision `auto` would choose for a block of the bundled models' size."""
    if not has_onednn():
        detail = "none for this processor; PyTorch's own modules decode"
        return Check(group="core", name="kernels", version=None, state="missing", detail=detail)
    usable = ["float32", *(["bfloat16"] if has_bfloat16() else []), *(["int8"] if has_int8() else [])]
    with torch.random.fork_rng(devices=[]):
        choice = choose_precision(ConvNeXtBlock(*BUNDLED_BLOCK, 1.0, None).requires_grad_(False), usable)
    fastest = f"{choice.order[0] if choice.order else 'none'} is the fastest of {', '.join(usable)}"
    n_compiled = len(list_libraries())
    compiled = f"{n_compiled} compiled by `vocos compile`" if n_compiled else ""
    detail = "; ".join(filter(None, (fastest, str(choice), compiled, find_fault())))
    found = re.search(r"DNN v([\d.]+)", torch.__config__.show())
    version = f"oneDNN {found[1]}" if found else "oneDNN"
    return Check(group="core", name="kernels", version=version, state="ok", detail=detail)


def _torchaudio() -> Check:
    probe = probe_torchaudio()
    if probe is None:
        detail = "only toolkits need it"
        return Check(group="core", name="torchaudio", version=None, state="missing", detail=detail)
    if probe.version is not None:
        return Check(group="core", name="torchaudio", version=probe.version, state="ok", detail="can be imported")
    detail = ": ".join(filter(None, (probe.cause, probe.error)))
    version = _version("torchaudio")
    fix = suggest_fix(probe)
    return Check(group="core", name="torchaudio", version=version, state="broken", detail=detail, fix=fix)


def _plugin(state: PluginState) -> Check:
    states: dict[str, CheckState] = {"loaded": "ok", "disabled": "off", "broken": "broken"}
    fix = f"VOCOS_PLUGINS_DISABLE={state.name} disables it" if state.state == "broken" else ""
    return Check(
        group="plugin",
        name=state.name,
        version=_version(state.distribution),
        state=states[state.state],
        detail=state.reason or f"{state.entry_point} of {state.distribution}",
        fix=fix,
    )


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
