"""What computes the layers of a model: one module per library."""
