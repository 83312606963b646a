"""Watch what serves: its answers to blind tasks, and whether something has changed since it was trained."""
