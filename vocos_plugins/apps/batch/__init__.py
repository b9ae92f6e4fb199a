"""Batch processing of recordings, mels and codes: finding inputs, running on cores, GPUs or a cluster, resuming."""
