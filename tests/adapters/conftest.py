"""Tests against the real toolkits: their own warnings are theirs, ours stay errors."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "adapters" in item.path.parts:
            # What is applied last is asked first. A warning counts as the module's that its stacklevel points to.
            item.add_marker(pytest.mark.filterwarnings("default", "error:::vocos_"))
