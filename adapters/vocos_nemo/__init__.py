"""Vocos as a vocoder in NeMo. Importing this package imports no toolkit."""
