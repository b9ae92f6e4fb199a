"""Everything that is read and written: checkpoints, the hub, audio and mel files. Nothing here builds a model."""
