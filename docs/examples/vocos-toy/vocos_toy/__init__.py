"""Vocos as a vocoder of toytalk. Importing this package doesn't import toytalk."""
