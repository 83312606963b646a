"""Base models: loading, tokenising, pooling, and the bundle folder that training writes and serving reads.

Importing this package imports neither torch nor transformers; its modules do so at first use.
"""
