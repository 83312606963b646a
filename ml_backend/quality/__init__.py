"""What may be wrong with reviewed labels: arrays and rows in, findings out. Nothing here changes a label."""
