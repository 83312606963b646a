"""Settings of projects: listed, changed, and what a change will do."""
