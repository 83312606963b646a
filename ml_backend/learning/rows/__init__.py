"""Training rows: collected from a snapshot, encoded for a head, cut into batches and folds."""
