"""Supervised fine-tuning of decoders on prompts and the responses that experts wrote."""
