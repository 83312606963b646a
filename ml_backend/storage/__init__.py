"""The database: projects, annotation events, jobs, snapshots, gates, promotions, model versions and flags."""
