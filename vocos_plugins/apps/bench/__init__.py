"""Measurement of speed, for `vocos bench` and the repository's ``benchmarks/``: see docs/performance.md."""
