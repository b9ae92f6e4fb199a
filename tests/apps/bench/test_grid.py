"""Time and memory of a long item, measured in fresh processes."""

from __future__ import annotations

from vocos_plugins.apps.bench.alone import in_fresh_process
from vocos_plugins.apps.bench.contestants import Contestant
from vocos_plugins.apps.bench.grid import long_item


def test_time_and_memory(make_config) -> None:
    """A thousand seconds of audio are 64 MB, which show in the process's peak memory; one second doesn't."""
    short, long = (
        in_fresh_process(1, long_item, Contestant("torch"), make_config(), length, 1) for length in (1.0, 1000.0)
    )
    assert (long.contestant, long.audio_seconds) == ("torch float32", 1000.0)
    assert 0 < short.seconds < long.seconds
    assert long.peak - long.before > 50e6
    assert short.peak - short.before < 20e6
