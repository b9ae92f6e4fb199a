"""The studio: a local web page for listening to your own recordings and mels (extra ``studio``)."""
