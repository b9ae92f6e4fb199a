"""Evaluation of vocoders: objective measures, tables of them, and a page with sound and spectrograms."""
