"""The training loop: steps, epochs, checkpoints and deadlines."""
