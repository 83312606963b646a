"""The training loop: steps, epochs, checkpoints, deadlines and progress, whatever is trained."""
