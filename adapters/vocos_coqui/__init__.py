"""Vocos as a vocoder in Coqui TTS. Importing this package imports no toolkit."""
