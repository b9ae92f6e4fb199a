"""Many recordings or mels at once, by all cores, a GPU or a cluster: what there is, what is done, and how."""
