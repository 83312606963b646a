"""Judge reviewed labels: arrays and rows in, findings out. Nothing here changes a label."""
