"""Decoding while the mel is still being made: chunks in, samples out, nothing computed twice."""

from .frames import stream_frames
from .stream import LOW_LATENCY_FRAMES, Stream

__all__ = ["LOW_LATENCY_FRAMES", "Stream", "stream_frames"]
