"""Decoders, one file per kind of head: what of a text the head reads, and what its logits say."""
