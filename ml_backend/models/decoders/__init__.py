"""Decoders, one file per kind of head: what of a text the head reads, and what its logits say."""

from .base import Decoder, decoder_from_json, decoder_of

__all__ = ["Decoder", "decoder_from_json", "decoder_of"]
