"""Tests against the real toolkits: the toolkits' warnings are ignored, this project's stay errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from helpers import environments
from helpers.environments import Environment
from vocos_plugins.evaluation.recognition import transcribe, word_error_rate

# Of the words of a plain sentence; of speech that is lost, the recogniser reads nearly all wrong.
MOST_WRONG = 0.4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "adapters" in item.path.parts:
            # The filter applied last is asked first. A warning belongs to the module that its stacklevel points to.
            item.add_marker(pytest.mark.filterwarnings("default", "error:::vocos_"))


@pytest.fixture(scope="session")
def assert_says() -> Callable[[Path, str], None]:
    """Asserts that an offline recogniser reads a sentence back from an audio file."""

    def check(file: Path, sentence: str) -> None:
        heard = transcribe(*soundfile.read(file, dtype="float32"))
        assert word_error_rate([sentence], [heard]) <= MOST_WRONG, f"{file}: {heard!r}"

    return check


@pytest.fixture(scope="session")
def make_environment(tmp_path_factory) -> Callable[[], Environment]:
    """Returns a function that makes a virtual environment which sees this one's packages."""
    return lambda: environments.make_environment(tmp_path_factory.mktemp("environment"))
