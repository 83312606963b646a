"""Where runs are recorded and models are kept."""
