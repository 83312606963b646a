"""The HTTP side: Label Studio's contract, the admin's page and its API, metrics."""
