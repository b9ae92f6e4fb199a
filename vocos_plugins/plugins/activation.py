"""Activation of an adapter for every process of an environment: a ``.pth`` file of one line that adds a finder.

Python runs the line when it starts. It imports nothing of the adapter until one of its modules is asked for: searching
for a package takes milliseconds, defining a class a tenth of one. It does nothing if ``VOCOS_PLUGINS_DISABLE`` names
the plugin, nor once vocos-plugins is uninstalled, which leaves the file behind.
"""

from __future__ import annotations

import importlib.metadata
import site
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from ..storage.atomic import atomic_write
from .manager import DISABLE, OURS

CODE = """class {name}:
 @staticmethod
 def find_spec(name, *_):
  if {other}: return None
  try: from {finder} import {name}
  except ImportError: return None
  return {name}.find_spec(name)
if {plugin!r} not in os.environ.get({disable!r}, '').replace(' ', '').split(','):
 sys.meta_path.{add}{name})
"""


class ActivationError(ValueError):
    """The environment can't be changed; the message says where and why, and what works instead."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """The result of an activation or of its undoing.

    Attributes:
        file: the ``.pth`` file.
        done: False if there was nothing to do.
    """

    file: Path
    done: bool


def finder_line(*, plugin: str, finder: str, name: str, other: str, first: bool = False) -> str:
    """Returns the line that adds a finder to ``sys.meta_path``.

    Args:
        plugin: the name by which ``VOCOS_PLUGINS_DISABLE`` turns it off.
        finder: dotted name of the module that has the finder.
        name: of the finder's class, and of the class that stands for it until it is needed.
        other: an expression of ``name``, the module that is asked for: true for a module of somebody else.
        first: ahead of all finders, not behind them.
    """
    add = "insert(0, " if first else "append("
    code = CODE.format(plugin=plugin, finder=finder, name=name, other=other, disable=DISABLE, add=add)
    # site.py runs only lines that start with "import", one by one: the class has to fit into such a line.
    return f"import os, sys; exec({code!r})\n"


def write_line(file: Path, line: str, instead: str) -> Change:
    """Writes a ``.pth`` file, unless it is there already.

    Args:
        file: in `site_packages`.
        line: its content.
        instead: what works without the file, for messages.

    Raises:
        ActivationError: the environment can't be written to.
    """
    if _read(file) == line:
        return Change(file=file, done=False)
    try:
        with atomic_write(file) as temporary:
            # Before 3.13 Python reads a .pth file in the locale's encoding, which may be any superset of ASCII.
            temporary.write_text(line, encoding="ascii")
    except OSError as error:
        raise _refused(file, "written", error, instead) from error
    return Change(file=file, done=True)


def remove_line(file: Path, instead: str) -> Change:
    """Removes a ``.pth`` file, if it is there.

    Raises:
        ActivationError: the file can't be removed.
    """
    try:
        file.unlink()
    except FileNotFoundError:
        return Change(file=file, done=False)
    except OSError as error:
        raise _refused(file, "removed", error, instead) from error
    return Change(file=file, done=True)


def site_packages() -> Path:
    """Returns where vocos-plugins is installed, if Python looks for ``.pth`` files there, or the environment's own."""
    # An editable install can lie where Python ignores .pth files.
    searched = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    own = Path(str(importlib.metadata.distribution(OURS).locate_file(""))).resolve()
    return next((Path(each) for each in searched if Path(each).resolve() == own), Path(sysconfig.get_path("purelib")))


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None


def _refused(file: Path, what: str, error: OSError, instead: str) -> ActivationError:
    return ActivationError(
        f"{file} can't be {what} ({error.strerror or error}): use a virtual environment (python -m venv), or {instead}"
    )
