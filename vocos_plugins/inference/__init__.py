"""Inference on a CPU: weights folded and laid out for oneDNN, in float32, bfloat16 or 8 bits, or another runtime."""
