"""Label Studio: its label configs, its payloads, its export files and its API."""
