"""Language models that write responses."""
