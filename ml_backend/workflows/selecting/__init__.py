"""Choose the tasks to label next, and show them in Label Studio."""
