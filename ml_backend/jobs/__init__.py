"""How jobs are started, and the signals that end their processes."""
