"""Base models exported as graphs, and the runtimes that compute them without torch."""
