"""Vectors of texts: tokens, encoders, and the classifier that puts a linear head on them."""
