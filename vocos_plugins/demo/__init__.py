"""The demo: shipped speech through a vocoder, as one page to listen to."""
