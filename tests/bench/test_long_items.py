"""A long item's time and memory, by the clock and by the process itself."""

from __future__ import annotations

from vocos_plugins.bench.alone import alone
from vocos_plugins.bench.contestants import Contestant
from vocos_plugins.bench.long_items import long_item


def test_time_and_memory(make_config) -> None:
    """A thousand seconds of audio are 64 MB, which the process holds at its end; an audio of a second is not."""
    short, long = (alone(1, long_item, Contestant("torch"), make_config(), length, 1) for length in (1.0, 1000.0))
    assert (long.contestant, long.audio_seconds) == ("torch float32", 1000.0)
    assert 0 < short.seconds < long.seconds
    assert long.peak - long.before > 50e6
    assert short.peak - short.before < 20e6
