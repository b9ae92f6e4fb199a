"""Tests against the real toolkits: their own warnings are theirs, ours stay errors."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "adapters" in item.path.parts:
            # Marks are applied from the last to the first, and what is applied last is asked first.
            item.add_marker(pytest.mark.filterwarnings("error:::vocos_"), append=False)
            item.add_marker(pytest.mark.filterwarnings("default"))
