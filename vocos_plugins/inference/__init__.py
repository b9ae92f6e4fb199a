"""Ways to run a network: whole batches, long inputs piece by piece, other precisions and runtimes."""
