"""The HTTP side: Label Studio's contract, the status page, metrics."""
