"""What judges the answers to a control, one file per head."""
