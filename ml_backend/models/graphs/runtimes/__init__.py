"""Libraries that compute the layers of a model, one module for each."""
