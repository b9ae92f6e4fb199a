"""Training of a vocoder: losses, discriminators and the loop around them."""
