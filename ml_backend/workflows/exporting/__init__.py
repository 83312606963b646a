"""Turn reviewed tasks into snapshots and files."""
