"""``vocos enable vocos`` and ``disable``: ``import vocos`` finds this implementation in this environment, or not.

This takes a ``.pth`` file of one line (`vocos_plugins.plugins.activation`). An installed package ``vocos`` stays as it
is: it is out of reach while the file is there.
"""

from __future__ import annotations

from vocos_plugins.plugins.activation import Change, finder_line, remove_line, site_packages, write_line

FILE = "vocos_reference.pth"
LINE = finder_line(
    plugin="vocos",
    finder="vocos_reference.finder",
    name="ReferenceFinder",
    other="name.split('.')[0] != 'vocos'",
    first=True,
)
INSTEAD = (
    "start the program by `python -m vocos_reference.run`, or call vocos_reference.install() before it imports vocos, "
    "which need no such file"
)


def enable() -> Change:
    """Writes the ``.pth`` file, unless it is there already; raises `ActivationError` if it can't."""
    return write_line(site_packages() / FILE, LINE, INSTEAD)


def disable() -> Change:
    """Removes the ``.pth`` file, if it is there; raises `ActivationError` if it can't."""
    return remove_line(site_packages() / FILE, INSTEAD)
