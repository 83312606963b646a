"""Results of benchmarks as a page with tables and plots."""
