"""Check every link of the chain."""
