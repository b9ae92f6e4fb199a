"""The studio: a page on this machine to listen to one's own recordings and mels (extra ``studio``)."""
