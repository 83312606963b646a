"""Snapshots: reviewed tasks as versioned, split, leak-free rows on disk."""
