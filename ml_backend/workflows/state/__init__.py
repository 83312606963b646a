"""Back up, restore and move the whole state."""
