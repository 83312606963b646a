"""Run jobs: claim, launch, report, recover and try again."""
