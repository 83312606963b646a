"""Training of linear heads, on frozen features or on a tuned base model."""
