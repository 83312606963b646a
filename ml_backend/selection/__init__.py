"""Choose the tasks that people should label next."""
