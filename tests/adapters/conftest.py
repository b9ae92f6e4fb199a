"""Tests against the real toolkits: the toolkits' warnings are ignored, this project's stay errors."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "adapters" in item.path.parts:
            # The filter applied last is asked first. A warning belongs to the module that its stacklevel points to.
            item.add_marker(pytest.mark.filterwarnings("default", "error:::vocos_"))
