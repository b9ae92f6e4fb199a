"""Vocos as a vocoder in Bark. Importing this package imports no toolkit."""
