"""Loads plugins by their entry points and skips those that are broken."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pluggy

from ..config.suggestions import suggestion
from .hookspecs import GROUP, READERS, Hooks

DISABLE = "VOCOS_PLUGINS_DISABLE"  # environment variable: names of plugins to skip, separated by commas
OURS = "vocos-plugins"
CORE = "core"
BUILTIN = f"{__package__}.builtin"

LoadState = Literal["loaded", "disabled", "broken"]


class PluginError(ValueError):
    """Plugins contradict each other, or none has what was asked for. The message names them and says what to do."""


class PluginWarning(UserWarning):
    """A plugin was skipped."""


@dataclass(eq=False)
class Plugin:
    """An installed plugin.

    Attributes:
        name: its entry point's name.
        entry_point: the module that the entry point names.
        distribution: the package that contains it, by its name for pip.
        state: whether it is loaded.
        reason: why it is broken.
        hooks: the hooks that it implements.
    """

    name: str
    entry_point: str
    distribution: str
    state: LoadState = "loaded"
    reason: str | None = None
    hooks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name!r} ({self.entry_point} of {self.distribution})"


class Registry:
    """All installed plugins. Each is loaded by itself, so that a broken one doesn't affect the others.

    Attributes:
        plugins: in the order in which they were loaded, the core first.
        problems: the warnings so far.
    """

    def __init__(self, entry_points: Iterable[importlib.metadata.EntryPoint], disabled: frozenset[str]) -> None:
        self.plugins: list[Plugin] = []
        self.problems: list[str] = []
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(Hooks)
        for entry_point in entry_points:
            self._add(entry_point, disabled)
        names = {plugin.name for plugin in self.plugins}
        for name in sorted(disabled - names):
            self._warn(f"{DISABLE}: {unknown_name_message('plugin', name, names)}")

    def offers(self, hook: str) -> list[tuple[Plugin, Any]]:
        """Returns everything that plugins offer by a hook; a plugin whose hook fails is skipped from then on."""
        offers: list[tuple[Plugin, Any]] = []
        # Each hook is called by itself: in a call by pluggy, one plugin's exception would lose all results.
        for plugin in self.plugins:
            for function in self._implementations(plugin, hook):
                try:
                    result = function()
                    offers += [(plugin, item) for item in ([] if result is None else READERS[hook](result))]
                except Exception as error:
                    self._reject(plugin, f"{hook}: {_describe(error)}")
        # By pluggy's `specname` a plugin can implement a hook twice, and fail after the first one's items were added.
        return [(plugin, item) for plugin, item in offers if plugin.state == "loaded"]

    def _add(self, entry_point: importlib.metadata.EntryPoint, disabled: frozenset[str]) -> None:
        # The core's entry point is made by hand, in `registry`, and belongs to no distribution.
        distribution = entry_point.dist.name if entry_point.dist is not None else OURS
        plugin = Plugin(entry_point.name, entry_point.value, distribution)
        namesake = next((other for other in self.plugins if other.name == plugin.name), None)
        self.plugins.append(plugin)
        # First, so that a disabled plugin isn't even imported.
        if plugin.name in disabled:
            plugin.state = "disabled"
        elif namesake is not None:
            self._reject(plugin, f"its name is already used by {namesake}")
        else:
            self._load(plugin, entry_point)

    def _load(self, plugin: Plugin, entry_point: importlib.metadata.EntryPoint) -> None:
        try:
            self._manager.register(entry_point.load(), plugin.name)
            self._check_hooks()
            plugin.hooks = tuple(hook for hook in READERS if self._implementations(plugin, hook))
            if not plugin.hooks:
                raise PluginError(f"it implements none of {', '.join(READERS)}; mark its functions with @hookimpl")
        except (Exception, SystemExit) as error:  # a module that calls sys.exit() must not end the program
            # It was registered before one of the later checks failed.
            if self._manager.has_plugin(plugin.name):
                self._manager.unregister(name=plugin.name)
            self._reject(plugin, _describe(error))

    def _check_hooks(self) -> None:
        try:  # without this check pluggy ignores a function whose name is no hook's
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginError(f"{error}; the hooks are {', '.join(READERS)}") from error

    def _implementations(self, plugin: Plugin, hook: str) -> list[Callable[[], Any]]:
        if plugin.state != "loaded":
            return []
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        return [each.function for each in implementations if each.plugin_name == plugin.name]

    def _reject(self, plugin: Plugin, reason: str) -> None:
        plugin.state, plugin.reason, plugin.hooks = "broken", reason, ()
        self._warn(f"plugin {plugin} is skipped: {reason}")

    def _warn(self, message: str) -> None:
        self.problems.append(message)
        warnings.warn(message, PluginWarning, stacklevel=2)


@functools.cache
def registry() -> Registry:
    """Returns the plugins of this process, which are loaded by the first call."""
    core = importlib.metadata.EntryPoint(CORE, BUILTIN, GROUP)
    # Sorted, since their order depends on the path and the file system. The core comes first: its names win.
    installed = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry_point: entry_point.name)
    disabled = frozenset(name.strip() for name in os.environ.get(DISABLE, "").split(",") if name.strip())
    return Registry([core, *installed], disabled)


def reset() -> None:
    """Forgets all plugins, so that the next call looks for them again: for tests, and after an installation."""
    registry.cache_clear()


def unknown_name_message(what: str, name: str, known: Iterable[str]) -> str:
    """Returns the error message for an unknown name, with the nearest known one and all that are available."""
    names = sorted(known)
    hint = suggestion(name, names)
    problem = f"unknown {what} {name!r}" + (f"; {hint}" if hint else ".")
    return f"{problem} Available: {', '.join(names) or 'none'}"


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
