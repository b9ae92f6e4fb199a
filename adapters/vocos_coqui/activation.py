"""``vocos enable coqui`` and ``disable``: register ``model: vocos`` in every process of this environment, or undo it.

This takes a ``.pth`` file of one line, which Python runs when it starts. The line imports nothing of this package until
Coqui TTS asks for ``vocos``: searching for a package takes milliseconds, defining a class a tenth of one. It does
nothing if ``VOCOS_PLUGINS_DISABLE`` names ``coqui``, nor once vocos-plugins is uninstalled, which leaves the file
behind.
"""

from __future__ import annotations

import importlib.metadata
import site
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from vocos_plugins.storage.atomic import atomic_write

from .finder import PLACES

FILE = "vocos_coqui.pth"
CODE = f"""class VocosFinder:
 @staticmethod
 def find_spec(name, *_):
  if name not in {tuple(PLACES)!r}: return None
  try: from vocos_coqui.finder import VocosFinder
  except ImportError: return None
  return VocosFinder.find_spec(name)
if 'coqui' not in os.environ.get('VOCOS_PLUGINS_DISABLE', '').replace(' ', '').split(','):
 sys.meta_path.append(VocosFinder)
"""
# site.py runs only lines that start with "import", one by one: the class has to fit into such a line.
LINE = f"import os, sys; exec({CODE!r})\n"


class ActivationError(ValueError):
    """The environment can't be changed; the message says where and why, and what works instead."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """The result of `enable` or `disable`.

    Attributes:
        file: the ``.pth`` file.
        done: False if there was nothing to do.
    """

    file: Path
    done: bool


def enable() -> Change:
    """Writes the ``.pth`` file, unless it is there already.

    Raises:
        ActivationError: the environment can't be written to.
    """
    file = site_packages() / FILE
    if _read(file) == LINE:
        return Change(file=file, done=False)
    try:
        with atomic_write(file) as temporary:
            # Before 3.13 Python reads a .pth file in the locale's encoding, which may be any superset of ASCII.
            temporary.write_text(LINE, encoding="ascii")
    except OSError as error:
        raise _refused(file, "written", error) from error
    return Change(file=file, done=True)


def disable() -> Change:
    """Removes the ``.pth`` file, if it is there.

    Raises:
        ActivationError: the file can't be removed.
    """
    file = site_packages() / FILE
    try:
        file.unlink()
    except FileNotFoundError:
        return Change(file=file, done=False)
    except OSError as error:
        raise _refused(file, "removed", error) from error
    return Change(file=file, done=True)


def site_packages() -> Path:
    """Returns where vocos-plugins is installed, if Python looks for ``.pth`` files there, or the environment's own."""
    # An editable install can lie where Python ignores .pth files.
    searched = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    own = Path(str(importlib.metadata.distribution("vocos-plugins").locate_file(""))).resolve()
    return next((Path(each) for each in searched if Path(each).resolve() == own), Path(sysconfig.get_path("purelib")))


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None


def _refused(file: Path, what: str, error: OSError) -> ActivationError:
    return ActivationError(
        f"{file} can't be {what} ({error.strerror or error}): use a virtual environment (python -m venv), "
        "or start Coqui TTS with vocos-tts or after `import vocos_coqui`, which need no such file"
    )
