"""Makes ``import vocos`` find the files of ``shim/``, ahead of an installed package ``vocos``.

Standard library only, and cheap: every start of Python with ``vocos enable vocos`` can come here.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

PACKAGE = "vocos"
SHIM = Path(__file__).with_name("shim")


class ReferenceFinder:
    """Finder for ``vocos`` and its modules, and no others."""

    @staticmethod
    def find_spec(name: str, *_: object) -> ModuleSpec | None:
        """Returns the spec of a module of ``vocos``, or None, as ``importlib.abc.MetaPathFinder.find_spec`` does.

        Raises:
            ImportError: the original package may have such a module, and this one has not.
        """
        if name == PACKAGE:
            return spec_from_file_location(name, SHIM / "__init__.py", submodule_search_locations=[str(SHIM)])
        if not name.startswith(f"{PACKAGE}."):
            return None
        file = SHIM / f"{name.removeprefix(PACKAGE)[1:]}.py"
        if not file.is_file():
            # Never None: an installed `vocos` would be asked next, and parts of two packages would meet.
            raise ModuleNotFoundError(missing(f"the module {name}"), name=name)
        return spec_from_file_location(name, file)


def install() -> None:
    """Lets this process import this implementation as ``vocos``; a second call changes nothing.

    Raises:
        ImportError: the process has already imported the original package.
    """
    loaded = sys.modules.get(PACKAGE)
    origin = getattr(loaded, "__file__", None)
    if loaded is not None and origin != str(SHIM / "__init__.py"):
        raise ImportError(
            f"this process has already imported vocos from {origin}, and keeps it: call vocos_reference.install() "
            "before anything imports vocos"
        )
    if ReferenceFinder not in sys.meta_path:
        sys.meta_path.insert(0, ReferenceFinder)


def missing(what: str) -> str:
    """Returns the message for something that the original package may have and this one has not."""
    return (
        f"{what} is not part of vocos-plugins, which stands in for the package vocos here: "
        "`vocos disable vocos` gives the original package back"
    )
