"""How speed is measured, here and in the repository's ``benchmarks/``: see docs/performance.md."""
