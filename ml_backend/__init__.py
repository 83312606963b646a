"""labelloop: the loop between experts who label text and the model that learns from them."""

__version__ = "0.1.0"
