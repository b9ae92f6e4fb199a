"""Vocos as a vocoder in SpeechBrain. Importing this package imports no toolkit."""
