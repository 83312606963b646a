"""Decoders, one file per kind of head: what of a text the head reads, and what its logits say."""

from .base import AnyDecoder, Decoder, decoder_of

__all__ = ["AnyDecoder", "Decoder", "decoder_of"]
