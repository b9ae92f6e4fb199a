"""Hand-made CPU kernels: weights folded and laid out for oneDNN, in float32, bfloat16 or 8 bits."""
