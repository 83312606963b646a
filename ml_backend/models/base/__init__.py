"""Base models: found by name or folder, checked, loaded and tokenised."""
